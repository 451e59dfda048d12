/** The steps of a document as a recipe, which the server and `anymask edit` replay. */

import { distinct } from "../export/names";
import type { Rle } from "../masks/rle";
import type { Document, Parameter } from "./document";

export interface Recipe {
  readonly schema: "anymask.edit/1";
  readonly masks: Readonly<Record<string, { readonly mask: Rle }>>;
  readonly steps: readonly Readonly<Record<string, Parameter | readonly string[]>>[];
}

/** With the masks that the steps are about, by the names of their objects. */
export function recipeOf({ objects, steps }: Pick<Document, "objects" | "steps">): Recipe {
  const names = distinct(objects.map(({ name }) => name.trim() || "object"));
  const nameOf = new Map(objects.map(({ id }, i) => [id, names[i] ?? id]));
  const wanted = new Set(steps.map(({ on }) => on));
  const masks = objects
    .filter(({ id }) => wanted.has(null) || wanted.has(id))
    .map(({ id, mask }) => [nameOf.get(id), { mask }]);
  return {
    schema: "anymask.edit/1",
    masks: Object.fromEntries(masks),
    steps: steps.map(({ step, on, parameters }) => {
      const name = on === null ? undefined : nameOf.get(on);
      return { step, ...(name === undefined ? {} : { on: [name] }), ...parameters };
    }),
  };
}

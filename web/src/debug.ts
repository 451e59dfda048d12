/** A look inside for tests and for curious users: `window.__anymask`, which changes nothing. */

import type { App } from "./app";
import { decodeRle } from "./masks/rle";

interface ShownMask {
  readonly bits: Uint8Array;
  readonly width: number;
  readonly height: number;
}

export function exposeDebug({ studio, stage, saved }: App): void {
  const debug = {
    /** The mask that is shown as the pending one, 0 or 1 a pixel; a preview has a size of its own. */
    currentMask(): ShownMask | null {
      const found = studio.found.value[studio.pointed.value];
      if (found && studio.settings.tool.value === "everything") return bitsOf(decodeRle(found.mask));
      const { mask, preview } = studio;
      if (mask.value) return bitsOf(mask.value.bits);
      const shown = preview.value;
      return shown && { bits: shown.bits, width: shown.widthPx, height: shown.heightPx };
    },
    objects: () =>
      studio.document.value.objects.map(({ name, colour, area }) => ({ name, color: colour, area })),
    prompt: () => {
      const { points, box } = studio.draft.value;
      return points.length > 0 || box ? { points, ...(box ? { box } : {}) } : null;
    },
    /** Whether the edited picture is seen, and no step is under way. */
    edited: () => studio.edits.shown.value !== null && !studio.edits.running.value,
    steps: () => studio.document.value.steps,
    everything: () => studio.current.value?.everything.value.masks ?? [],
    imageId: () => studio.current.value?.identity.value?.id ?? null,
    /** Where the middle of a picture's pixel is in the window. */
    toClient: (x: number, y: number) => {
      const place = stage.toClient({ x, y });
      return [place.x, place.y];
    },
    answered: () => studio.answered.value,
    timings: () => structuredClone(studio.timings),
    saved: () => saved.value,
  };
  Object.assign(globalThis, { __anymask: debug });
}

const bitsOf = ({ data, width, height }: { data: Uint8Array; width: number; height: number }): ShownMask => ({
  bits: data,
  width,
  height,
});

/** Every change that a person can make to a document, as a pure function. */

import type { BoxXyxy, Rle } from "../masks/rle";
import type { Stroke } from "../masks/strokes";
import { colourOf } from "./colours";
import {
  type Document,
  type Draft,
  type EditStep,
  EMPTY_DRAFT,
  isEmpty,
  type MaskObject,
  objectById,
  type Point,
} from "./document";

/** A mask with its measures, ready to be saved. */
export interface FinishedMask {
  readonly mask: Rle;
  readonly area: number;
  readonly iou: number | null;
  readonly stability: number | null;
}

export interface NewObject extends FinishedMask {
  readonly id: string;
  /** What it is; without one it gets a number. */
  readonly name?: string | null;
}

export type Action =
  | { readonly type: "point"; readonly point: Point }
  | { readonly type: "single"; readonly point: Point }
  | { readonly type: "candidate"; readonly candidate: number }
  | { readonly type: "box"; readonly box: BoxXyxy }
  | { readonly type: "stroke"; readonly stroke: Stroke }
  | { readonly type: "reset" }
  | ({ readonly type: "save" } & NewObject)
  | { readonly type: "add"; readonly objects: readonly NewObject[] }
  | { readonly type: "edit"; readonly id: string }
  | { readonly type: "delete"; readonly id: string }
  | { readonly type: "rename"; readonly id: string; readonly name: string }
  | { readonly type: "recolour"; readonly id: string; readonly colour: string }
  | { readonly type: "show"; readonly id: string; readonly visible: boolean }
  | { readonly type: "addStep"; readonly step: EditStep }
  | { readonly type: "changeStep"; readonly id: string; readonly values: StepValues }
  | { readonly type: "removeStep"; readonly id: string };

type StepValues = Partial<Pick<EditStep, "on" | "parameters">>;

/** The document after the action; the very same one where the action changes nothing. */
export function reduce(document: Document, action: Action): Document {
  switch (action.type) {
    case "point":
      return withDraft(document, addPoint(document.draft, action.point));
    case "single":
      return withDraft(document, { ...startedAnew(document.draft), points: [action.point], multimask: true });
    case "candidate":
      return choose(document, action.candidate);
    case "box":
      return withDraft(document, { ...startedAnew(document.draft), box: action.box });
    case "stroke":
      return withDraft(document, { ...document.draft, strokes: [...document.draft.strokes, action.stroke] });
    case "reset":
      return document.draft === EMPTY_DRAFT ? document : withDraft(document, EMPTY_DRAFT);
    case "save":
      return save(document, action);
    case "add":
      return action.objects.reduce(
        (all, made) => append(all, made, { ...EMPTY_DRAFT, base: made.mask }),
        document,
      );
    case "edit":
      return edit(document, action.id);
    case "delete":
      return remove(document, action.id);
    case "rename":
      return change(document, action.id, { name: action.name });
    case "recolour":
      return change(document, action.id, { colour: action.colour });
    case "show":
      return change(document, action.id, { visible: action.visible });
    case "addStep":
      return { ...document, steps: [...document.steps, action.step] };
    case "changeStep":
      return changeStep(document, action.id, action.values);
    case "removeStep":
      return withSteps(
        document,
        document.steps.filter(({ id }) => id !== action.id),
      );
  }
}

const withDraft = (document: Document, draft: Draft): Document =>
  draft === document.draft ? document : { ...document, draft };

/** A first point must be inside; with something to take away from, any point will do. */
export const mayAdd = (draft: Draft, point: Point): boolean => point.label === 1 || !isEmpty(draft);

function addPoint(draft: Draft, point: Point): Draft {
  if (!mayAdd(draft, point)) return draft;
  const box = draft.box && point.label === 1 ? enlarged(draft.box, point) : draft.box;
  return { ...draft, box, points: [...draft.points, point] };
}

/** The box with the point's pixel in it. */
function enlarged(box: BoxXyxy, { x, y }: Point): BoxXyxy {
  const [x0, y0, x1, y1] = box;
  if (x >= x0 && y >= y0 && x < x1 && y < y1) return box;
  return [Math.min(x0, x), Math.min(y0, y), Math.max(x1, x + 1), Math.max(y1, y + 1)];
}

/** New prompts for the same object: what was asked before is answered no longer. */
const startedAnew = (draft: Draft): Draft => ({ ...EMPTY_DRAFT, objectId: draft.objectId });

function choose(document: Document, candidate: number): Document {
  const { draft } = document;
  if (!draft.multimask || draft.points.length !== 1 || draft.candidate === candidate) return document;
  return withDraft(document, { ...draft, candidate });
}

function save(document: Document, made: NewObject): Document {
  const { draft } = document;
  const edited = objectById(document, draft.objectId);
  if (!edited) return { ...append(document, made, draft), draft: EMPTY_DRAFT };
  const { mask, area, iou, stability } = made;
  return { ...change(document, edited.id, { mask, area, iou, stability, draft }), draft: EMPTY_DRAFT };
}

function append(document: Document, made: NewObject, draft: Draft): Document {
  const number = document.nextNumber;
  const object: MaskObject = {
    id: made.id,
    name: made.name ? freeName(document, made.name) : `Object ${number}`,
    colour: colourOf(number),
    visible: true,
    mask: made.mask,
    area: made.area,
    iou: made.iou,
    stability: made.stability,
    draft: { ...draft, objectId: made.id },
  };
  return { ...document, objects: [...document.objects, object], nextNumber: number + 1 };
}

/** The name, with a number where it is taken. */
function freeName(document: Document, name: string): string {
  const taken = new Set(document.objects.map((object) => object.name));
  let free = name;
  for (let number = 2; taken.has(free); number++) free = `${name} ${number}`;
  return free;
}

function edit(document: Document, id: string): Document {
  const object = objectById(document, id);
  return object && document.draft.objectId !== id
    ? withDraft(document, { ...object.draft, objectId: id })
    : document;
}

function remove(document: Document, id: string): Document {
  if (!objectById(document, id)) return document;
  const draft = document.draft.objectId === id ? EMPTY_DRAFT : document.draft;
  const objects = document.objects.filter((object) => object.id !== id);
  return { ...document, objects, draft, steps: document.steps.filter(({ on }) => on !== id) };
}

function change(document: Document, id: string, values: Partial<MaskObject>): Document {
  const same = (object: MaskObject) =>
    Object.entries(values).every(([key, value]) => object[key as keyof MaskObject] === value);
  const object = objectById(document, id);
  if (!object || same(object)) return document;
  return { ...document, objects: document.objects.map((o) => (o.id === id ? { ...o, ...values } : o)) };
}

function changeStep(document: Document, id: string, values: StepValues): Document {
  return withSteps(
    document,
    document.steps.map((step) => (step.id === id ? { ...step, ...values } : step)),
  );
}

const withSteps = (document: Document, steps: readonly EditStep[]): Document => ({ ...document, steps });

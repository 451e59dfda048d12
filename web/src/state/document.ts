/** What a person makes of one picture: saved objects and the draft being worked on. Values only. */

import type { BoxXyxy, Rle } from "../masks/rle";
import type { Stroke } from "../masks/strokes";

export type Label = 0 | 1;

export interface Point {
  /** Pixel of the picture, counted from 0. */
  readonly x: number;
  readonly y: number;
  /** 1: inside the object, 0: outside. */
  readonly label: Label;
}

/** The prompts and touch-ups of a mask that is not saved yet. */
export interface Draft {
  readonly points: readonly Point[];
  readonly box: BoxXyxy | null;
  /** Whether the first point's three candidates are chosen among, and which one is. */
  readonly multimask: boolean;
  readonly candidate: number;
  readonly strokes: readonly Stroke[];
  /** A finished mask to start from, such as one of everything mode. */
  readonly base: Rle | null;
  /** The saved object that is edited, if any. */
  readonly objectId: string | null;
}

export interface MaskObject {
  readonly id: string;
  readonly name: string;
  /** #rrggbb */
  readonly colour: string;
  readonly visible: boolean;
  readonly mask: Rle;
  readonly area: number;
  /** Predicted IoU and stability; null where the mask was drawn by hand. */
  readonly iou: number | null;
  readonly stability: number | null;
  /** How it was made, to go on from there. */
  readonly draft: Draft;
}

export type Parameter = number | string | boolean;

/** A step of the picture's edit. */
export interface EditStep {
  readonly id: string;
  /** What is done, by the server's name for it. */
  readonly step: string;
  /** The object that it is about; null: all of them. */
  readonly on: string | null;
  readonly parameters: Readonly<Record<string, Parameter>>;
}

export interface Document {
  readonly objects: readonly MaskObject[];
  /** Done to the picture in this order; the picture itself stays as it is. */
  readonly steps: readonly EditStep[];
  readonly draft: Draft;
  /** Number of the next object's name. */
  readonly nextNumber: number;
}

export const EMPTY_DRAFT: Draft = {
  points: [],
  box: null,
  multimask: false,
  candidate: 0,
  strokes: [],
  base: null,
  objectId: null,
};

export const EMPTY_DOCUMENT: Document = { objects: [], steps: [], draft: EMPTY_DRAFT, nextNumber: 1 };

/** Whether nothing says yet what the object is. */
export function isEmpty(draft: Draft): boolean {
  return !draft.points.length && !draft.box && !draft.strokes.length && !draft.base;
}

/** Whether the draft has prompts that the decoder answers. */
export const hasPrompts = (draft: Draft) => draft.points.length > 0 || draft.box !== null;

export const objectById = (document: Document, id: string | null) =>
  document.objects.find((object) => object.id === id);

/** Whether the draft is a new mask or differs from the object it edits. */
export function isUnsaved({ draft, objects }: Document): boolean {
  if (draft.objectId === null) return !isEmpty(draft);
  const saved = objects.find((object) => object.id === draft.objectId);
  return !saved || !sameWork(saved.draft, draft);
}

function sameWork(a: Draft, b: Draft): boolean {
  return (
    a.points === b.points &&
    a.box === b.box &&
    a.strokes === b.strokes &&
    a.base === b.base &&
    a.candidate === b.candidate
  );
}

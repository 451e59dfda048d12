/** An open picture: its file, where its preparation stands, and the work done on it. */

import { type Signal, signal } from "@preact/signals";
import type { BoxXyxy, Rle } from "../masks/rle";
import { type Document, EMPTY_DOCUMENT } from "./document";
import { type History, started } from "./history";
import { newId } from "./ids";

export type Stage = "waiting" | "uploading" | "encoding" | "ready" | "failed";

/** What the server calls the picture, and its upright size in pixels. */
export interface Identity {
  readonly id: string;
  readonly width: number;
  readonly height: number;
}

/** A mask that everything mode found, or that was found for a phrase. */
export interface FoundMask {
  /** The phrase; null without one. */
  readonly label: string | null;
  readonly mask: Rle;
  readonly box: BoxXyxy;
  readonly area: number;
  readonly iou: number | null;
  readonly stability: number | null;
}

export interface Everything {
  readonly state: "idle" | "running" | "done";
  /** Points asked so far, and to ask; 0 until that is known. */
  readonly done: number;
  readonly total: number;
  /** Largest first. */
  readonly masks: readonly FoundMask[];
}

/** What the server made of a recipe: the picture, or why there is none. */
export interface Edited {
  readonly recipe: string;
  readonly blob: Blob | null;
  readonly failure: string;
}

export const NOTHING_FOUND: Everything = { state: "idle", done: 0, total: 0, masks: [] };

export class Picture {
  readonly stage = signal<Stage>("waiting");
  /** Share of the present transfer, 0 to 1. */
  readonly progress = signal(0);
  readonly identity: Signal<Identity | null>;
  /** What the browser can show; null until that is known. */
  readonly shown: Signal<Blob | null>;
  readonly history: Signal<History<Document>>;
  readonly everything = signal<Everything>(NOTHING_FOUND);
  /** The picture with the document's steps done; null before that, and without steps. */
  readonly edited = signal<Edited | null>(null);
  /** Ends what is under way for this picture once it is closed. */
  readonly closing = new AbortController();

  constructor(
    readonly name: string,
    readonly file: Blob,
    readonly key: string = newId(),
    kept: { identity: Identity | null; shown: Blob | null; history: History<Document> } | null = null,
  ) {
    this.identity = signal(kept?.identity ?? null);
    this.shown = signal(kept?.shown ?? null);
    this.history = signal(kept?.history ?? started(EMPTY_DOCUMENT));
  }
}

/** What the page says to its decoder, and what comes back. Places are pixels of the picture. */

export type SizeHW = readonly [height: number, width: number];

/** A place with 1 for "belongs to the object" and 0 for "does not". */
export interface Point {
  x: number;
  y: number;
  label: 0 | 1;
}

export interface Prompt {
  points: readonly Point[];
  /** x0, y0, x1, y1. */
  box?: readonly [number, number, number, number];
  /** 256 x 256 low-res logits of a former answer. */
  previous?: Float32Array;
}

export interface Mask {
  /** 256 x 256 logits on the canvas, to be fed back. */
  lowRes: Float32Array;
  /** Predicted IoU. */
  iou: number;
  /** IoU of the masks at thresholds +1 and -1 of the low-res logits. */
  stability: number;
  /** Picture height x width, 0 or 1. */
  bits: Uint8Array;
  /** Pixels of the mask. */
  area: number;
  /** x0, y0, x1, y1, half-open; all 0 where the mask is empty. */
  bbox: [number, number, number, number];
}

/** A mask at the size it is looked at. */
export interface Preview {
  bits: Uint8Array;
  widthPx: number;
  heightPx: number;
}

/** Where the three graphs are, as the server's `/api/about` tells it. */
export interface DecoderFiles {
  pair_id: string;
  files: Record<string, { url: string }>;
}

/** Something about the decoder that the user should read. */
export class DecoderError extends Error {
  override name = "DecoderError";
}

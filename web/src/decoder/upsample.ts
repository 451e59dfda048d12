/**
 * Low-res logits at the size of the picture, cut at zero: Frame.logits_to_original of
 * geometry/frames.py. Both of its bilinear resizes are one weighted sum of at most four neighbouring
 * cells along each axis. Weights are positive, so where all sixteen cells have one sign nothing is
 * computed: the larger the picture, the smaller the share of pixels at the mask's edge.
 */

import { CANVAS_PX, LOW_RES_PX, resizedHW } from "./frame";
import type { SizeHW } from "./types";

const TAPS = 4;

/** For each pixel along an axis the first of its four cells, and their weights. */
interface Axis {
  first: Int32Array;
  weights: Float32Array;
}

export interface CutMask {
  bits: Uint8Array;
  area: number;
  bbox: [number, number, number, number];
}

/** A range of whole numbers, `to` not in it. */
interface Span {
  from: number;
  to: number;
}

/**
 * The mask of low-res logits (256 x 256).
 *
 * @param lowRes logits on the canvas.
 * @param sizeHW of the picture.
 * @param shownHW of the mask; the picture's own size when left out.
 */
export function cutMask(lowRes: Float32Array, sizeHW: SizeHW, shownHW: SizeHW = sizeHW): CutMask {
  const [height, width] = shownHW;
  const [resizedHeight, resizedWidth] = resizedHW(sizeHW);
  const rows = axis(resizedHeight, height);
  const columns = axis(resizedWidth, width);
  const bits = new Uint8Array(height * width);
  const positive = positiveCells(lowRes);
  if (positive === null) return { bits, area: 0, bbox: [0, 0, 0, 0] };
  const wide = reach(columns, positive.columns);
  const high = reach(rows, positive.rows);
  const across = stretchRows(lowRes, columns, wide, positive.rows);
  return { bits, ...fill(bits, across, rows, high, pieces(columns, wide), windows(lowRes), width) };
}

/** The axis of a resize from 256 cells to 1024, cropped to `resized`, then to `length`. */
export function axis(resized: number, length: number): Axis {
  const first = new Int32Array(length);
  const weights = new Float32Array(length * TAPS);
  for (let i = 0; i < length; i++) {
    const { left, right, share } = neighbours(i, resized, length);
    const low = neighbours(left, LOW_RES_PX, CANVAS_PX);
    const high = neighbours(right, LOW_RES_PX, CANVAS_PX);
    const start = Math.min(low.left, LOW_RES_PX - TAPS);
    first[i] = start;
    const add = (cell: number, weight: number) => {
      const tap = i * TAPS + cell - start;
      weights[tap] = (weights[tap] as number) + weight;
    };
    add(low.left, (1 - share) * (1 - low.share));
    add(low.right, (1 - share) * low.share);
    add(high.left, share * (1 - high.share));
    add(high.right, share * high.share);
  }
  return { first, weights };
}

/** The two samples around a pixel of a bilinear resize, and how much the right one counts. */
function neighbours(i: number, lengthIn: number, lengthOut: number) {
  const wanted = (i + 0.5) * (lengthIn / lengthOut) - 0.5;
  const position = Math.min(Math.max(wanted, 0), lengthIn - 1);
  const left = Math.floor(position);
  return { left, right: Math.min(left + 1, lengthIn - 1), share: position - left };
}

function positiveCells(lowRes: Float32Array): { rows: Span; columns: Span } | null {
  let [top, bottom, left, right] = [LOW_RES_PX, -1, LOW_RES_PX, -1];
  for (let y = 0; y < LOW_RES_PX; y++) {
    for (let x = 0; x < LOW_RES_PX; x++) {
      if ((lowRes[y * LOW_RES_PX + x] as number) > 0) {
        if (y < top) top = y;
        if (x < left) left = x;
        if (x > right) right = x;
        bottom = y;
      }
    }
  }
  if (bottom < 0) return null;
  return { rows: { from: top, to: bottom + 1 }, columns: { from: left, to: right + 1 } };
}

/** The pixels that have one of the cells among their four. */
function reach({ first }: Axis, cells: Span): Span {
  let [from, to] = [0, first.length];
  while (from < to && (first[from] as number) + TAPS <= cells.from) from++;
  while (to > from && (first[to - 1] as number) >= cells.to) to--;
  return { from, to };
}

/** The rows of cells that matter, each at full width; rows further away stay zero and unused. */
function stretchRows(lowRes: Float32Array, { first, weights }: Axis, wide: Span, cells: Span): Float32Array {
  const count = wide.to - wide.from;
  const across = new Float32Array(LOW_RES_PX * count);
  const [from, to] = [Math.max(0, cells.from - TAPS), Math.min(LOW_RES_PX, cells.to + TAPS)];
  for (let row = from; row < to; row++) {
    for (let x = 0; x < count; x++) {
      const tap = (wide.from + x) * TAPS;
      const cell = row * LOW_RES_PX + (first[wide.from + x] as number);
      across[row * count + x] =
        (lowRes[cell] as number) * (weights[tap] as number) +
        (lowRes[cell + 1] as number) * (weights[tap + 1] as number) +
        (lowRes[cell + 2] as number) * (weights[tap + 2] as number) +
        (lowRes[cell + 3] as number) * (weights[tap + 3] as number);
    }
  }
  return across;
}

/** Pixels beside each other with the same four cells. */
interface Piece extends Span {
  cell: number;
}

function pieces({ first }: Axis, wide: Span): Piece[] {
  const found: Piece[] = [];
  for (let x = wide.from; x < wide.to; x++) {
    const cell = first[x] as number;
    const last = found.at(-1);
    if (last?.cell === cell) last.to = x + 1;
    else found.push({ cell, from: x, to: x + 1 });
  }
  return found;
}

/** For each cell how many of the sixteen from it to the lower right are positive. */
function windows(lowRes: Float32Array): Uint8Array {
  const inRow = new Uint8Array(LOW_RES_PX * LOW_RES_PX);
  const counts = new Uint8Array(LOW_RES_PX * LOW_RES_PX);
  const last = LOW_RES_PX - TAPS;
  for (let at = 0; at < lowRes.length; at++) {
    if (at % LOW_RES_PX > last) continue;
    for (let tap = 0; tap < TAPS; tap++)
      if ((lowRes[at + tap] as number) > 0) inRow[at] = (inRow[at] as number) + 1;
  }
  for (let at = 0; at < (last + 1) * LOW_RES_PX; at++) {
    for (let tap = 0; tap < TAPS; tap++) {
      counts[at] = (counts[at] as number) + (inRow[at + tap * LOW_RES_PX] as number);
    }
  }
  return counts;
}

function fill(
  bits: Uint8Array,
  across: Float32Array,
  { first, weights }: Axis,
  high: Span,
  wide: readonly Piece[],
  positive: Uint8Array,
  width: number,
): { area: number; bbox: [number, number, number, number] } {
  const start = wide[0]?.from ?? 0;
  const count = (wide.at(-1)?.to ?? 0) - start;
  let [area, top, bottom, left, right] = [0, -1, -1, width, -1];
  for (let y = high.from; y < high.to; y++) {
    const tap = y * TAPS;
    const [a, b, c, d] = weights.subarray(tap, tap + TAPS) as unknown as [number, number, number, number];
    const row = first[y] as number;
    let [leftmost, rightmost, inRow] = [width, -1, 0];
    for (const { cell, from, to } of wide) {
      const certain = positive[row * LOW_RES_PX + cell] as number;
      if (certain === 0) continue;
      if (certain === TAPS * TAPS) {
        bits.fill(1, y * width + from, y * width + to);
        inRow += to - from;
        leftmost = Math.min(leftmost, from);
        rightmost = to - 1;
        continue;
      }
      for (let x = from; x < to; x++) {
        const at = row * count + x - start;
        const value =
          (across[at] as number) * a +
          (across[at + count] as number) * b +
          (across[at + 2 * count] as number) * c +
          (across[at + 3 * count] as number) * d;
        if (value > 0) {
          bits[y * width + x] = 1;
          inRow++;
          if (x < leftmost) leftmost = x;
          rightmost = x;
        }
      }
    }
    if (inRow > 0) {
      if (top < 0) top = y;
      bottom = y;
      area += inRow;
      left = Math.min(left, leftmost);
      right = Math.max(right, rightmost);
    }
  }
  if (area === 0) return { area, bbox: [0, 0, 0, 0] };
  return { area, bbox: [left, top, right + 1, bottom + 1] };
}

/** IoU of the masks at thresholds +1 and -1, on the cells that the picture covers. */
export function stability(lowRes: Float32Array, sizeHW: SizeHW): number {
  const [rows, columns] = resizedHW(sizeHW).map((side) => Math.ceil((side * LOW_RES_PX) / CANVAS_PX)) as [
    number,
    number,
  ];
  let [inner, outer] = [0, 0];
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      const value = lowRes[y * LOW_RES_PX + x] as number;
      if (value > -1) outer++;
      if (value > 1) inner++;
    }
  }
  return inner / Math.max(1, outer);
}

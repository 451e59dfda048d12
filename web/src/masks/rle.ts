/** Run-length codes as COCO defines them: runs down the columns, background first. */

export interface Rle {
  /** [height, width] in pixels. */
  readonly size: readonly [number, number];
  /** Compressed counts, as pycocotools writes them. */
  readonly counts: string;
}

/** Half-open [x0, y0, x1, y1] in pixels of the picture. */
export type BoxXyxy = readonly [number, number, number, number];

/** A mask at picture size, row by row, 0 or 1. */
export interface Bits {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
}

const DIGIT_BITS = 5;
const SIGN_BIT = 16;
const MORE_BIT = 32;
const FIRST_CHARACTER = 48;

/** Counts as text: from the fourth on differences to the one two before, base-32 digits, lowest first. */
export function countsToString(counts: ArrayLike<number>): string {
  let text = "";
  for (let i = 0; i < counts.length; i++) {
    let value = (counts[i] ?? 0) - (i > 2 ? (counts[i - 2] ?? 0) : 0);
    let more = true;
    while (more) {
      const digit = value & 31;
      value = Math.floor(value / 2 ** DIGIT_BITS);
      more = (digit & SIGN_BIT) !== 0 ? value !== -1 : value !== 0;
      text += String.fromCharCode(digit + (more ? MORE_BIT : 0) + FIRST_CHARACTER);
    }
  }
  return text;
}

/** The counts in a compressed code. */
export function countsFromString(text: string): number[] {
  const counts: number[] = [];
  let at = 0;
  while (at < text.length) {
    let value = 0;
    let scale = 1;
    let digit = MORE_BIT;
    while (digit & MORE_BIT && at < text.length) {
      digit = text.charCodeAt(at++) - FIRST_CHARACTER;
      value += (digit & 31) * scale;
      scale *= 32;
    }
    if (digit & SIGN_BIT) value -= scale;
    if (counts.length > 2) value += counts[counts.length - 2] ?? 0;
    counts.push(value);
  }
  return counts;
}

/** The code of a mask; `box` may name where its pixels lie, to look at nothing else. */
export function encodeRle({ data, width, height }: Bits, box: BoxXyxy = [0, 0, width, height]): Rle {
  const counts: number[] = [];
  let run = box[0] * height;
  let inside = 0;
  for (let x = box[0]; x < box[2]; x++) {
    run += box[1];
    if (box[1] > 0 && inside) {
      counts.push(run - box[1]);
      run = box[1];
      inside = 0;
    }
    for (let y = box[1], at = box[1] * width + x; y < box[3]; y++, at += width) {
      const bit = data[at] ? 1 : 0;
      if (bit !== inside) {
        counts.push(run);
        run = 0;
        inside = bit;
      }
      run++;
    }
    const below = height - box[3];
    if (below > 0 && inside) {
      counts.push(run);
      run = 0;
      inside = 0;
    }
    run += below;
  }
  if (inside && box[2] < width) {
    counts.push(run);
    run = 0;
  }
  counts.push(run + (width - box[2]) * height);
  return { size: [height, width], counts: countsToString(counts) };
}

/** Every run of the mask, as [first, last + 1) along the columns. */
function eachRun(rle: Rle, visit: (start: number, end: number) => void): void {
  let at = 0;
  countsFromString(rle.counts).forEach((count, i) => {
    if (i % 2 === 1 && count > 0) visit(at, at + count);
    at += count;
  });
}

/** Every piece of a column inside the mask: column x, rows [y0, y1). */
function eachColumnPiece(rle: Rle, visit: (x: number, y0: number, y1: number) => void): void {
  const height = rle.size[0];
  eachRun(rle, (start, end) => {
    let at = start;
    while (at < end) {
      const x = Math.floor(at / height);
      const stop = Math.min(end, (x + 1) * height);
      visit(x, at - x * height, stop - x * height);
      at = stop;
    }
  });
}

export function decodeRle(rle: Rle): Bits {
  const [height, width] = rle.size;
  const data = new Uint8Array(width * height);
  eachColumnPiece(rle, (x, y0, y1) => {
    for (let at = y0 * width + x; at < y1 * width + x; at += width) data[at] = 1;
  });
  return { data, width, height };
}

export function rleArea(rle: Rle): number {
  let area = 0;
  eachRun(rle, (start, end) => {
    area += end - start;
  });
  return area;
}

/** Where the runs of codes that were asked before begin. */
const starts = new WeakMap<Rle, Float64Array>();

/** Whether pixel (x, y) belongs to the mask. */
export function rleHolds(rle: Rle, x: number, y: number): boolean {
  let known = starts.get(rle);
  if (!known) {
    let at = 0;
    known = Float64Array.from(countsFromString(rle.counts), (count) => {
      at += count;
      return at;
    });
    starts.set(rle, known);
  }
  const place = x * rle.size[0] + y;
  let [low, high] = [0, known.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((known[middle] ?? 0) <= place) low = middle + 1;
    else high = middle;
  }
  return low % 2 === 1;
}

/** The box around the mask; [0, 0, 0, 0] for an empty one. */
export function rleBox(rle: Rle): BoxXyxy {
  const [height] = rle.size;
  let [x0, y0, x1, y1] = [Number.POSITIVE_INFINITY, height, -1, 0];
  eachColumnPiece(rle, (x, top, bottom) => {
    x0 = Math.min(x0, x);
    x1 = Math.max(x1, x + 1);
    y0 = Math.min(y0, top);
    y1 = Math.max(y1, bottom);
  });
  return x1 < 0 ? [0, 0, 0, 0] : [x0, y0, x1, y1];
}

/** The mask inside `box` at one sample every `step` pixels, for drawing. */
export function sampleRle(rle: Rle, box: BoxXyxy, step: number): Bits {
  const width = Math.max(1, Math.ceil((box[2] - box[0]) / step));
  const height = Math.max(1, Math.ceil((box[3] - box[1]) / step));
  const data = new Uint8Array(width * height);
  const first = Math.floor(step / 2);
  eachColumnPiece(rle, (x, y0, y1) => {
    const offset = x - box[0] - first;
    if (offset < 0 || offset % step !== 0 || x >= box[2]) return;
    const from = Math.max(0, Math.ceil((y0 - box[1] - first) / step));
    const to = Math.min(height, Math.ceil((y1 - box[1] - first) / step));
    for (let row = from; row < to; row++) data[row * width + offset / step] = 1;
  });
  return { data, width, height };
}

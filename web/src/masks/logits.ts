/** A finished mask as the low-res logits that prompt the decoder, by the arithmetic of geometry/frames.py. */

import type { Bits } from "./rle";

const CANVAS_PX = 1024;
const LOW_RES_PX = 256;
const MASK_LOGIT = 10;

/** Each cell averages the mask over its area: covered 10, uncovered and padding -10. */
export function logitsFromBits({ data, width, height }: Bits): Float32Array {
  const scale = CANVAS_PX / Math.max(width, height);
  const rows = cells(height, Math.max(1, Math.floor(height * scale + 0.5)));
  const columns = cells(width, Math.max(1, Math.floor(width * scale + 0.5)));
  const across = new Float32Array(height * LOW_RES_PX);
  for (let y = 0; y < height; y++) {
    for (let cell = 0; cell < LOW_RES_PX; cell++) {
      across[y * LOW_RES_PX + cell] = share(columns, cell, width, (x) => data[y * width + x] ?? 0);
    }
  }
  const logits = new Float32Array(LOW_RES_PX * LOW_RES_PX);
  for (let row = 0; row < LOW_RES_PX; row++) {
    for (let cell = 0; cell < LOW_RES_PX; cell++) {
      const covered = share(rows, row, height, (y) => across[y * LOW_RES_PX + cell] ?? 0);
      logits[row * LOW_RES_PX + cell] = 2 * MASK_LOGIT * covered - MASK_LOGIT;
    }
  }
  return logits;
}

/** Pixels of the picture a cell. */
const cells = (original: number, resized: number) => ((CANVAS_PX / LOW_RES_PX) * original) / resized;

function share(step: number, cell: number, size: number, at: (i: number) => number): number {
  const [from, to] = [cell * step, (cell + 1) * step];
  let sum = 0;
  for (let i = Math.floor(from); i < Math.min(size, Math.ceil(to)); i++) {
    sum += at(i) * (Math.min(to, i + 1) - Math.max(from, i));
  }
  return sum / step;
}

/** The way of a picture to the canvas and back: the arithmetic of geometry/frames.py. */

import type { Prompt, SizeHW } from "./types";

export const CANVAS_PX = 1024;
export const LOW_RES_PX = 256;
const GRID = 64;
export const CELL_PX = CANVAS_PX / LOW_RES_PX;

/** Height and width after the longer side was scaled to the canvas, rounded half up. */
export function resizedHW([height, width]: SizeHW): SizeHW {
  const scale = CANVAS_PX / Math.max(height, width);
  const side = (length: number) => Math.max(1, Math.floor(length * scale + 0.5));
  return [side(height), side(width)];
}

/** Rows and columns of the 64 x 64 grid that the picture covers, with what interpolation touches. */
export function visibleCells(size: SizeHW): [number, number] {
  const [rows, columns] = resizedHW(size).map((side) =>
    Math.min(GRID, Math.ceil((side / CELL_PX + 1) / (LOW_RES_PX / GRID))),
  ) as [number, number];
  return [rows, columns];
}

/** Rows and columns of the low-res cells that a pixel of the picture reads. */
export function visibleLowRes(size: SizeHW): [number, number] {
  const [rows, columns] = resizedHW(size).map((side) =>
    Math.min(LOW_RES_PX, Math.trunc((side - 0.5) / CELL_PX - 0.5) + 2),
  ) as [number, number];
  return [rows, columns];
}

export const WHOLE_GRID: [number, number] = [GRID, GRID];

/** A prompt as the decoder takes it: points, then a padding point or the corners of the box. */
export function placed(prompt: Prompt, size: SizeHW): { coords: Float32Array; labels: BigInt64Array } {
  const [height, width] = size;
  const [resizedHeight, resizedWidth] = resizedHW(size);
  const [acrossX, acrossY] = [resizedWidth / width, resizedHeight / height];
  const coords = prompt.points.flatMap(({ x, y }) => [x * acrossX, y * acrossY]);
  const labels = prompt.points.map(({ label }) => BigInt(label));
  if (prompt.box) {
    const [x0, y0, x1, y1] = prompt.box;
    coords.push(x0 * acrossX, y0 * acrossY, x1 * acrossX, y1 * acrossY);
    labels.push(2n, 3n);
  } else {
    coords.push(0, 0);
    labels.push(-1n);
  }
  return { coords: Float32Array.from(coords), labels: BigInt64Array.from(labels) };
}

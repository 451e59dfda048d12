/** Brush and eraser: strokes kept as lines, put into a mask at picture size. */

import type { Bits, BoxXyxy } from "./rle";

export interface Stroke {
  readonly erase: boolean;
  /** In pixels of the picture. */
  readonly radiusPx: number;
  /** x, y, x, y, ... of the line's corners, in pixels of the picture. */
  readonly path: readonly number[];
}

/** The mask with the strokes drawn in the order given; `bits` itself stays as it is. */
export function withStrokes(bits: Bits, strokes: readonly Stroke[]): Bits {
  if (strokes.length === 0) return bits;
  const drawn = { ...bits, data: bits.data.slice() };
  for (const stroke of strokes) drawStroke(drawn, stroke);
  return drawn;
}

function drawStroke(bits: Bits, { path, radiusPx, erase }: Stroke): void {
  const value = erase ? 0 : 1;
  for (let i = 0; i + 1 < path.length; i += 2) {
    const [x, y] = [path[i] ?? 0, path[i + 1] ?? 0];
    const [fromX, fromY] = i === 0 ? [x, y] : [path[i - 2] ?? x, path[i - 1] ?? y];
    drawCapsule(bits, fromX, fromY, x, y, radiusPx, value);
  }
}

/** All pixels whose centre is no further than `radius` from the piece of line. */
function drawCapsule(
  { data, width, height }: Bits,
  ax: number,
  ay: number,
  bx: number,
  by: number,
  radius: number,
  value: number,
): void {
  const x0 = Math.max(0, Math.floor(Math.min(ax, bx) - radius));
  const x1 = Math.min(width, Math.ceil(Math.max(ax, bx) + radius) + 1);
  const y0 = Math.max(0, Math.floor(Math.min(ay, by) - radius));
  const y1 = Math.min(height, Math.ceil(Math.max(ay, by) + radius) + 1);
  const [dx, dy] = [bx - ax, by - ay];
  const length2 = dx * dx + dy * dy;
  for (let y = y0; y < y1; y++) {
    for (let x = x0; x < x1; x++) {
      const [px, py] = [x + 0.5 - ax, y + 0.5 - ay];
      const along = length2 > 0 ? Math.min(1, Math.max(0, (px * dx + py * dy) / length2)) : 0;
      const [ex, ey] = [px - along * dx, py - along * dy];
      if (ex * ex + ey * ey <= radius * radius) data[y * width + x] = value;
    }
  }
}

/** Area and box of a mask. */
export function measure({ data, width, height }: Bits): { area: number; box: BoxXyxy } {
  let area = 0;
  let [x0, y0, x1, y1] = [width, height, 0, 0];
  for (let y = 0; y < height; y++) {
    const row = data.subarray(y * width, (y + 1) * width);
    const first = row.indexOf(1);
    if (first < 0) continue;
    const last = row.lastIndexOf(1);
    for (let x = first; x <= last; x++) area += row[x] ?? 0;
    x0 = Math.min(x0, first);
    x1 = Math.max(x1, last + 1);
    y0 = Math.min(y0, y);
    y1 = y + 1;
  }
  return { area, box: area ? [x0, y0, x1, y1] : [0, 0, 0, 0] };
}

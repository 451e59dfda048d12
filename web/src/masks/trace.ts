/** Outlines of masks: closed loops through the middles of the edges between inside and outside. */

import type { Bits } from "./rle";

/** x, y, x, y, ... in cells of the grid; the last point joins the first. */
export type Loop = Float32Array;

const STEP_X = [1, 0, -1, 0] as const;
const STEP_Y = [0, 1, 0, -1] as const;

/** All outlines, outer ones and those of holes, with the inside on the right. */
export function traceLoops({ data, width, height }: Bits): Loop[] {
  const cell = (x: number, y: number) =>
    x >= 0 && y >= 0 && x < width && y < height ? (data[y * width + x] ?? 0) : 0;
  const seen = new Uint8Array(width * height);
  const loops: Loop[] = [];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = y * width + x;
      if (data[at] && !seen[at] && !cell(x, y - 1)) loops.push(followEdge(cell, seen, width, x, y));
    }
  }
  return loops;
}

/** Along the edges from the top of cell (startX, startY), marking every top edge passed. */
function followEdge(
  cell: (x: number, y: number) => number,
  seen: Uint8Array,
  width: number,
  startX: number,
  startY: number,
): Loop {
  const points: number[] = [];
  let [x, y, direction] = [startX, startY, 0];
  do {
    const [dx, dy] = [STEP_X[direction] ?? 0, STEP_Y[direction] ?? 0];
    points.push(x + dx / 2, y + dy / 2);
    if (direction === 0) seen[y * width + x] = 1;
    x += dx;
    y += dy;
    direction = turn(cell, x, y, direction);
  } while (x !== startX || y !== startY || direction !== 0);
  return Float32Array.from(points);
}

/** Right where the cell ahead on the right is outside, left where both ahead are inside, else on. */
function turn(cell: (x: number, y: number) => number, x: number, y: number, direction: number): number {
  const [aheadX, aheadY] = [STEP_X[direction] ?? 0, STEP_Y[direction] ?? 0];
  const [rightX, rightY] = [-aheadY, aheadX];
  const right = cell(x + (aheadX + rightX - 1) / 2, y + (aheadY + rightY - 1) / 2);
  if (!right) return (direction + 1) % 4;
  const left = cell(x + (aheadX - rightX - 1) / 2, y + (aheadY - rightY - 1) / 2);
  return left ? (direction + 3) % 4 : direction;
}

/** Every point moved to the mean of its neighbours, `reach` on either side. */
export function smoothLoop(loop: Loop, reach: number): Loop {
  const count = loop.length / 2;
  if (reach < 1 || count < 4 * reach + 2) return loop;
  const smooth = new Float32Array(loop.length);
  for (let axis = 0; axis < 2; axis++) {
    let sum = 0;
    for (let i = -reach; i <= reach; i++) sum += loop[2 * ((i + count) % count) + axis] ?? 0;
    for (let i = 0; i < count; i++) {
      smooth[2 * i + axis] = sum / (2 * reach + 1);
      sum += loop[2 * ((i + reach + 1) % count) + axis] ?? 0;
      sum -= loop[2 * ((i - reach + count) % count) + axis] ?? 0;
    }
  }
  return smooth;
}

/** Without points that lie on the line between their neighbours. */
export function withoutCollinear(loop: Loop): Loop {
  const count = loop.length / 2;
  const kept: number[] = [];
  for (let i = 0; i < count; i++) {
    const [before, after] = [(i + count - 1) % count, (i + 1) % count];
    const [x, y] = [loop[2 * i] ?? 0, loop[2 * i + 1] ?? 0];
    const ax = x - (loop[2 * before] ?? 0);
    const ay = y - (loop[2 * before + 1] ?? 0);
    const bx = (loop[2 * after] ?? 0) - x;
    const by = (loop[2 * after + 1] ?? 0) - y;
    if (Math.abs(ax * by - ay * bx) > 1e-4) kept.push(x, y);
  }
  return Float32Array.from(kept);
}

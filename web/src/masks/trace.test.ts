import { expect, test } from "vitest";
import type { Bits } from "./rle";
import { type Loop, smoothLoop, traceLoops, withoutCollinear } from "./trace";

function grid(...rows: string[]): Bits {
  const data = Uint8Array.from(rows.join(""), (c) => Number(c === "#"));
  return { data, width: rows[0]?.length ?? 0, height: rows.length };
}

function signedArea(loop: Loop): number {
  let sum = 0;
  for (let i = 0; i < loop.length; i += 2) {
    const j = (i + 2) % loop.length;
    sum += (loop[i] ?? 0) * (loop[j + 1] ?? 0) - (loop[j] ?? 0) * (loop[i + 1] ?? 0);
  }
  return sum / 2;
}

test("a square has one outline with its corners cut by half a cell", () => {
  const loops = traceLoops(grid("....", ".##.", ".##.", "...."));
  expect(loops).toHaveLength(1);
  expect(withoutCollinear(loops[0] as Loop).length / 2).toBe(8);
  expect(signedArea(loops[0] as Loop)).toBeCloseTo(4 - 4 * 0.125);
});

test("a hole is an outline of its own that runs the other way", () => {
  const areas = traceLoops(grid("#####", "#...#", "#...#", "#####")).map(signedArea);
  expect(areas).toHaveLength(2);
  expect(Math.sign(areas[0] ?? 0)).toBe(-Math.sign(areas[1] ?? 0));
});

test("cells that touch at a corner are outlined apart", () => {
  expect(traceLoops(grid("#.", ".#"))).toHaveLength(2);
});

test("an empty mask has no outline, a full one goes along the edge", () => {
  expect(traceLoops(grid("..", ".."))).toEqual([]);
  expect(traceLoops(grid("##", "##"))).toHaveLength(1);
});

test("smoothing keeps a long straight edge where it is", () => {
  const rows = Array.from({ length: 20 }, () => "#".repeat(20));
  const loop = traceLoops(grid(...rows))[0] as Loop;
  const smooth = smoothLoop(loop, 2);
  expect(smooth[20]).toBeCloseTo(loop[20] ?? 0);
  expect(smooth[21]).toBeCloseTo(0);
});

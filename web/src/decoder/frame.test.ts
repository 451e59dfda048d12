import { describe, expect, test } from "vitest";
import fixtures from "./fixtures/frames.json";
import { placed, resizedHW, visibleCells } from "./frame";
import type { SizeHW } from "./types";

describe("the way to the canvas is that of Python", () => {
  for (const one of fixtures.cases) {
    const size = one.size_hw as unknown as SizeHW;
    test(`${size.join(" x ")}`, () => {
      expect(resizedHW(size)).toEqual(one.resized_hw);
      const points = one.points.map(([x, y]) => ({ x: x as number, y: y as number, label: 1 as const }));
      const { coords } = placed({ points }, size);
      const expected = one.canvas_points.flat();
      expect(coords).toHaveLength(expected.length + 2);
      for (const [i, value] of expected.entries()) expect(coords[i]).toBeCloseTo(value, 3);
    });
  }

  test("points are followed by a padding point, or by the corners of the box", () => {
    const point = { x: 10, y: 20, label: 0 as const };
    expect([...placed({ points: [point] }, [100, 100]).labels]).toEqual([0n, -1n]);
    const boxed = placed({ points: [point], box: [0, 0, 50, 100] }, [100, 100]);
    expect([...boxed.labels]).toEqual([0n, 2n, 3n]);
    expect([...boxed.coords.slice(2)]).toEqual([0, 0, 512, 1024]);
  });

  test("only cells that the picture covers are visible, and one more for the interpolation", () => {
    expect(visibleCells([1024, 1024])).toEqual([64, 64]);
    expect(visibleCells([512, 1024])).toEqual([33, 64]);
    expect(visibleCells([1, 5000])).toEqual([1, 64]);
  });
});

import { expect, test } from "vitest";
import type { Bits } from "./rle";
import { measure, withStrokes } from "./strokes";

const empty = (width: number, height: number): Bits => ({
  data: new Uint8Array(width * height),
  width,
  height,
});

test("a dot is a disc around the point", () => {
  const dot = withStrokes(empty(11, 11), [{ erase: false, radiusPx: 3, path: [5.5, 5.5] }]);
  const { area, box } = measure(dot);
  expect(box).toEqual([3, 3, 8, 8].map((v, i) => (i < 2 ? v - 1 : v + 1)));
  expect(Math.abs(area - Math.PI * 9)).toBeLessThan(3);
});

test("a line covers everything between its ends", () => {
  const line = withStrokes(empty(20, 9), [{ erase: false, radiusPx: 1, path: [2, 4.5, 18, 4.5] }]);
  expect([...line.data.subarray(4 * 20 + 2, 4 * 20 + 18)]).toEqual(Array(16).fill(1));
});

test("the eraser takes away what the brush put, in the order drawn", () => {
  const brush = { erase: false, radiusPx: 3, path: [5, 5] };
  const eraser = { erase: true, radiusPx: 9, path: [5, 5] };
  expect(measure(withStrokes(empty(11, 11), [brush, eraser])).area).toBe(0);
  expect(measure(withStrokes(empty(11, 11), [eraser, brush])).area).toBeGreaterThan(0);
});

test("strokes beyond the picture's edge are cut there", () => {
  const bits = withStrokes(empty(4, 4), [{ erase: false, radiusPx: 50, path: [-10, 2] }]);
  expect(measure(bits)).toEqual({ area: 16, box: [0, 0, 4, 4] });
});

test("the mask drawn on stays as it was", () => {
  const before = empty(5, 5);
  withStrokes(before, [{ erase: false, radiusPx: 2, path: [2, 2] }]);
  expect(measure(before)).toEqual({ area: 0, box: [0, 0, 0, 0] });
});

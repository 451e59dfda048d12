import { expect, test } from "vitest";
import { byPlausibility, depth, fillBox, innerDistances, mostCorrect } from "./choice";

const SIDE = 32;
const GRID = { rows: SIDE, columns: SIDE, stride: SIDE };
const MIDDLE = [{ x: 16, y: 16 }];

const logitsOf = (at: (x: number, y: number) => number) =>
  Float32Array.from({ length: SIDE * SIDE }, (_, i) => at(i % SIDE, Math.floor(i / SIDE)));

const disc = (radius: number, x = 16, steepness = 5) =>
  logitsOf((a, b) => steepness * (radius - Math.hypot(a + 0.5 - x, b + 0.5 - 16)));

const filled = (x0: number, y0: number, x1: number, y1: number) =>
  logitsOf((x, y) => (x >= x0 && x < x1 && y >= y0 && y < y1 ? 5 : -5));

const first = (logits: Float32Array[], iou: number[]) =>
  byPlausibility(
    logits.map((one, i) => ({ logits: one, iou: iou[i] as number })),
    GRID,
    MIDDLE,
  )[0];

test("of equally plausible masks the one of highest predicted IoU comes first", () => {
  expect(first([disc(6), disc(6), disc(6)], [0.7, 0.9, 0.8])).toBe(1);
});

test("a mask of the whole scene needs far more predicted IoU", () => {
  expect(first([disc(6), logitsOf(() => 9)], [0.7, 0.99])).toBe(0);
});

test("a mask with the click at its edge loses against one with the click in its middle", () => {
  expect(first([disc(6), disc(6, 20.5)], [0.8, 0.85])).toBe(0);
});

test("a mask that hangs on the threshold loses against a clear one", () => {
  expect(first([disc(6), disc(6, 16, 0.1)], [0.8, 0.85])).toBe(0);
});

test("distances are counted in steps to the outside, and the edge of the picture is outside", () => {
  const mask = Float32Array.from([1, 1, 1, 1, 1, 1, 1, 1, 1, -1, 1, 1]);
  const grid = { rows: 3, columns: 4, stride: 4 };
  expect([...innerDistances(mask, grid)]).toEqual([1, 1, 1, 1, 1, 1, 2, 1, 1, 0, 1, 1]);
});

test("depth is one in the middle and zero outside", () => {
  const square = filled(2, 2, 7, 7);
  expect(depth(square, GRID, [{ x: 4.5, y: 4.5 }])).toBe(1);
  expect(depth(square, GRID, [{ x: 0.5, y: 0.5 }])).toBe(0);
  expect(depth(square, GRID, [])).toBe(1);
});

const chosen = (logits: Float32Array[], iou: number[], former = disc(6)) => {
  const answers = logits.map((one, i) => ({ logits: one, iou: iou[i] as number }));
  return answers.indexOf(mostCorrect(answers, GRID, MIDDLE, former));
};

test("a correction is the single mask, unless another is clearly more plausible", () => {
  expect(chosen([disc(6), disc(6), disc(6), disc(6)], [0.6, 0.9, 0.8, 0.7])).toBe(0);
  expect(chosen([disc(6), disc(6), disc(6), disc(6)], [0.4, 0.9, 0.8, 0.7])).toBe(1);
});

test("a correction whose first click lies at the edge loses against one with it in the middle", () => {
  expect(chosen([disc(6, 21), disc(6), disc(6, 21), disc(6, 21)], [0.9, 0.8, 0.9, 0.9])).toBe(1);
});

test("a correction that spills over loses against one of the former size", () => {
  expect(chosen([disc(15), disc(6), disc(15), disc(15)], [0.9, 0.8, 0.9, 0.9], disc(6))).toBe(1);
});

test("an answer that fills the box beats a part of it, and what lies beyond is cut off", () => {
  const [part, wide] = [filled(8, 8, 14, 14), filled(8, 8, 32, 24)];
  const answers = [part, wide, wide, part].map((logits) => ({ logits, iou: 0.9 }));
  const { logits } = fillBox(answers, GRID, [8, 8, 24, 24]);
  expect([...logits].map((one) => one > 0)).toEqual([...filled(8, 8, 25, 24)].map((one) => one > 0));
});

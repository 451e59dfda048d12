import { describe, expect, test } from "vitest";
import fixtures from "./fixtures/frames.json";
import type { SizeHW } from "./types";
import { cutMask, stability } from "./upsample";

/** The low-res logits of scripts/decoder_fixtures.py. */
function wave(shift: number): Float32Array {
  return Float32Array.from(
    { length: 256 * 256 },
    (_, i) => 6 * Math.sin((i % 256) / 17 + shift) * Math.cos(Math.floor(i / 256) / 23) - 1,
  );
}

function fromRuns(runs: readonly number[]): Uint8Array {
  const bits = new Uint8Array(runs.reduce((a, b) => a + b, 0));
  let place = 0;
  for (const [i, length] of runs.entries()) {
    bits.fill(i % 2, place, place + length);
    place += length;
  }
  return bits;
}

const count = (bits: Uint8Array) => bits.reduce((a, b) => a + b, 0);

describe("a mask at the size of the picture is that of Python", () => {
  for (const one of fixtures.cases) {
    const size = one.size_hw as unknown as SizeHW;
    test(`${size.join(" x ")}`, () => {
      const { bits, area, bbox } = cutMask(wave(one.shift), size);
      const expected = fromRuns(one.mask_runs);
      const different = bits.reduce((sum, bit, i) => sum + Number(bit !== expected[i]), 0);
      expect(different).toBeLessThanOrEqual(bits.length / 100_000);
      expect(area).toBe(count(bits));
      expect(bbox).toEqual(boxOf(bits, size));
      expect(stability(wave(one.shift), size)).toBeCloseTo(one.stability, 6);
    });
  }
});

function boxOf(bits: Uint8Array, [height, width]: SizeHW): number[] {
  const places = [...bits.keys()].filter((i) => bits[i]);
  if (places.length === 0) return [0, 0, 0, 0];
  const xs = places.map((i) => i % width);
  const ys = places.map((i) => Math.floor(i / width));
  const least = (values: number[]) => values.reduce((a, b) => Math.min(a, b), Math.max(height, width));
  const most = (values: number[]) => values.reduce((a, b) => Math.max(a, b), 0);
  return [least(xs), least(ys), most(xs) + 1, most(ys) + 1];
}

test("no positive cell gives an empty mask", () => {
  const { bits, area, bbox } = cutMask(new Float32Array(65536).fill(-3), [40, 60]);
  expect(count(bits)).toBe(0);
  expect(area).toBe(0);
  expect(bbox).toEqual([0, 0, 0, 0]);
});

test("a mask of every cell covers the picture", () => {
  const { area, bbox } = cutMask(new Float32Array(65536).fill(3), [41, 60]);
  expect(area).toBe(41 * 60);
  expect(bbox).toEqual([0, 0, 60, 41]);
});

test("a small object is the same in a small preview, only coarser", () => {
  const logits = new Float32Array(65536).fill(-5);
  for (let y = 40; y < 60; y++) logits.fill(5, y * 256 + 100, y * 256 + 130);
  const [x0, y0, x1, y1] = cutMask(logits, [2000, 3000], [256, 384]).bbox;
  expect(Math.abs(x0 - 150)).toBeLessThanOrEqual(1);
  expect(Math.abs(y0 - 60)).toBeLessThanOrEqual(1);
  expect(Math.abs(x1 - 195)).toBeLessThanOrEqual(1);
  expect(Math.abs(y1 - 90)).toBeLessThanOrEqual(1);
});

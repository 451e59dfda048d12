import { describe, expect, test } from "vitest";
import fixtures from "./fixtures/rle.json";
import {
  type BoxXyxy,
  countsFromString,
  countsToString,
  decodeRle,
  encodeRle,
  type Rle,
  rleArea,
  rleBox,
  rleHolds,
  sampleRle,
} from "./rle";

interface Fixture {
  name: string;
  size: [number, number];
  bits: string;
  counts: string;
  area: number;
  bbox: [number, number, number, number];
}

const cases = fixtures as unknown as Fixture[];
const bitsOf = (text: string) => Uint8Array.from(text, (c) => Number(c));

describe.each(cases)("a mask that pycocotools coded: $name", ({ size, bits, counts, area, bbox }) => {
  const [height, width] = size;
  const rle: Rle = { size, counts };
  const box: BoxXyxy = [bbox[0], bbox[1], bbox[0] + bbox[2], bbox[1] + bbox[3]];

  test("has the same code", () => {
    expect(encodeRle({ data: bitsOf(bits), width, height })).toEqual(rle);
  });

  test("has the same code when only its box is looked at", () => {
    if (area > 0) expect(encodeRle({ data: bitsOf(bits), width, height }, box)).toEqual(rle);
  });

  test("comes back", () => {
    expect(decodeRle(rle)).toEqual({ data: bitsOf(bits), width, height });
  });

  test("has the same area and box", () => {
    expect(rleArea(rle)).toBe(area);
    expect(rleBox(rle)).toEqual(area ? box : [0, 0, 0, 0]);
  });

  test("says of every pixel whether it holds it", () => {
    const held = Array.from({ length: width * height }, (_, at) =>
      rleHolds(rle, at % width, Math.floor(at / width)) ? 1 : 0,
    );
    expect(held).toEqual([...bitsOf(bits)]);
  });

  test("sampled at every pixel is itself", () => {
    expect(sampleRle(rle, [0, 0, width, height], 1).data).toEqual(bitsOf(bits));
  });
});

test("counts larger than 2^31 survive the text", () => {
  const counts = [0, 4_000_000_000, 1, 7, 4_000_000_000, 0];
  expect(countsFromString(countsToString(counts))).toEqual(counts);
});

test("sampling at every third pixel takes the middle of each cell", () => {
  const bits = Uint8Array.from({ length: 81 }, (_, i) => Number(i % 9 === 4 && Math.floor(i / 9) === 4));
  const rle = encodeRle({ data: bits, width: 9, height: 9 });
  expect([...sampleRle(rle, [0, 0, 9, 9], 3).data]).toEqual([0, 0, 0, 0, 1, 0, 0, 0, 0]);
});

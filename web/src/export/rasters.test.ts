import { expect, test } from "vitest";
import { encodeRle } from "../masks/rle";
import { cutoutBox, cutoutRaster, maskRaster } from "./rasters";

const bits = { data: Uint8Array.of(0, 0, 0, 0, 1, 1, 0, 1, 0), width: 3, height: 3 };
const rle = encodeRle(bits);

test("a mask file is white on black at picture size", () => {
  expect(maskRaster(rle)).toMatchObject({ width: 3, height: 3, channels: 1 });
  expect([...maskRaster(rle).data]).toEqual([0, 0, 0, 0, 255, 255, 0, 255, 0]);
});

test("a cut-out has the picture's colours inside and nothing outside", () => {
  const box = cutoutBox(rle);
  expect(box).toEqual([1, 1, 3, 3]);
  const colours = Uint8ClampedArray.from({ length: 16 }, (_, i) => i + 1);
  expect([...cutoutRaster(colours, bits, box).data]).toEqual([
    1, 2, 3, 255, 5, 6, 7, 255, 9, 10, 11, 255, 0, 0, 0, 0,
  ]);
});

test("the cut-out of an empty mask is one transparent pixel", () => {
  const empty = { data: new Uint8Array(9), width: 3, height: 3 };
  const box = cutoutBox(encodeRle(empty));
  expect(box).toEqual([0, 0, 1, 1]);
  expect([...cutoutRaster(new Uint8ClampedArray(4).fill(9), empty, box).data]).toEqual([0, 0, 0, 0]);
});

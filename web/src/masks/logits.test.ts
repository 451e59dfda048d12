import { expect, test } from "vitest";
import { logitsFromBits } from "./logits";

test("a mask of a square picture fills the cells it covers", () => {
  const data = new Uint8Array(512 * 512).fill(1, 0, 512 * 256);
  const logits = logitsFromBits({ data, width: 512, height: 512 });
  expect(logits[0]).toBeCloseTo(10);
  expect(logits[127 * 256 + 255]).toBeCloseTo(10);
  expect(logits[128 * 256]).toBeCloseTo(-10);
});

test("the padding below a wide picture is background", () => {
  const logits = logitsFromBits({ data: new Uint8Array(200 * 100).fill(1), width: 200, height: 100 });
  expect(logits[127 * 256]).toBeCloseTo(10);
  expect(logits[129 * 256]).toBeCloseTo(-10);
});

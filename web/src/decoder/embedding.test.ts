import { describe, expect, test } from "vitest";
import { fromHalf, readEmbedding } from "./embedding";

const COUNT = 256 * 64 * 64;

function file(header: object, numbers: ArrayBufferView): ArrayBuffer {
  let text = JSON.stringify(header);
  text += " ".repeat((16 - ((12 + text.length) % 16)) % 16);
  const content = new Uint8Array(12 + text.length + numbers.byteLength);
  content.set(new TextEncoder().encode("ANYMASK1"));
  new DataView(content.buffer).setUint32(8, text.length, true);
  content.set(new TextEncoder().encode(text), 12);
  content.set(new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength), 12 + text.length);
  return content.buffer;
}

const HEADER = { dtype: "float32", shape: [256, 64, 64], size_hw: [400, 600], pair_id: "tiny-1" };

describe("an embedding file", () => {
  test("gives its numbers, the picture's size and its pair", () => {
    const numbers = Float32Array.from({ length: COUNT }, (_, i) => i / 7);
    const embedding = readEmbedding(file(HEADER, numbers));
    expect(embedding.sizeHW).toEqual([400, 600]);
    expect(embedding.pairId).toBe("tiny-1");
    expect(embedding.values).toHaveLength(COUNT); // toEqual takes seconds for a million numbers
    expect(embedding.values.every((value, i) => value === numbers[i])).toBe(true);
  });

  test("of half precision is widened", () => {
    const halves = new Uint16Array(COUNT).fill(0x3c00);
    const { values } = readEmbedding(file({ ...HEADER, dtype: "float16" }, halves));
    expect(values[COUNT - 1]).toBe(1);
  });

  test("that is cut off, of another shape, or none at all is refused by what is wrong", () => {
    const numbers = new Float32Array(COUNT);
    expect(() => readEmbedding(file(HEADER, numbers.subarray(1)))).toThrow(/bytes/);
    expect(() => readEmbedding(file({ ...HEADER, shape: [256, 32, 32] }, numbers))).toThrow(/256 x 32 x 32/);
    expect(() => readEmbedding(new TextEncoder().encode("{}").buffer)).toThrow(/not send an embedding/);
  });
});

test("half-precision numbers are widened exactly", () => {
  const halves = Uint16Array.from([0x0000, 0x8000, 0x3c00, 0xc000, 0x3555, 0x7bff, 0x0001, 0x7c00]);
  const expected = [0, -0, 1, -2, 0.333251953125, 65504, 2 ** -24, Number.POSITIVE_INFINITY];
  expect([...fromHalf(halves)]).toEqual(expected);
});

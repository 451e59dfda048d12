import { inflateSync } from "node:zlib";
import { expect, test } from "vitest";
import { crc32 } from "./crc32";
import { encodePng, type Raster } from "./png";

/** The pixels of a PNG that `encodePng` wrote. */
function decode(png: Uint8Array, { width, height, channels }: Raster): number[] {
  const view = new DataView(png.buffer, png.byteOffset);
  const idat = 8 + 25;
  const body = png.subarray(idat + 8, idat + 8 + view.getUint32(idat));
  const rows = inflateSync(body);
  const stride = width * channels;
  const pixels: number[] = [];
  for (let y = 0; y < height; y++) {
    for (let i = 0; i < stride; i++) {
      const above = rows[y * (stride + 1)] === 2 && y ? (pixels[(y - 1) * stride + i] ?? 0) : 0;
      pixels.push(((rows[y * (stride + 1) + 1 + i] ?? 0) + above) & 255);
    }
  }
  return pixels;
}

test.each([1, 4] as const)("pixels of %i channels come back exactly", async (channels) => {
  const data = Uint8Array.from({ length: 7 * 5 * channels }, (_, i) => (i * 37) & 255);
  const raster: Raster = { width: 7, height: 5, channels, data };
  const png = await encodePng(raster);
  expect([...png.subarray(1, 4)]).toEqual([..."PNG"].map((c) => c.charCodeAt(0)));
  expect(decode(png, raster)).toEqual([...data]);
});

test("the header tells size, depth and colour type", async () => {
  const png = await encodePng({ width: 300, height: 2, channels: 4, data: new Uint8Array(2400) });
  expect([...png.subarray(16, 29)]).toEqual([0, 0, 1, 44, 0, 0, 0, 2, 8, 6, 0, 0, 0]);
});

test("the checksum is the one of PNG and ZIP", () => {
  expect(crc32(new TextEncoder().encode("123456789"))).toBe(0xcbf43926);
});

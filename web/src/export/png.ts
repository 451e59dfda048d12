/** PNG files of exact pixels: a canvas would multiply colours with alpha and back. */

import { crc32 } from "./crc32";
import { deflate } from "./deflate";

const SIGNATURE = Uint8Array.of(137, 80, 78, 71, 13, 10, 26, 10);
const COLOUR_TYPE = { 1: 0, 4: 6 } as const;
const FILTER_NONE = 0;
const FILTER_UP = 2;

export interface Raster {
  readonly width: number;
  readonly height: number;
  /** 1: gray, 4: red, green, blue, alpha. */
  readonly channels: 1 | 4;
  /** Row by row, `channels` bytes a pixel. */
  readonly data: Uint8Array | Uint8ClampedArray;
}

export async function encodePng(raster: Raster): Promise<Uint8Array<ArrayBuffer>> {
  const pixels = await deflate(filterRows(raster), "deflate");
  return concat([
    SIGNATURE,
    chunk("IHDR", header(raster)),
    chunk("IDAT", pixels),
    chunk("IEND", new Uint8Array()),
  ]);
}

function header({ width, height, channels }: Raster): Uint8Array {
  const bytes = new Uint8Array(13);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  view.setUint8(8, 8);
  view.setUint8(9, COLOUR_TYPE[channels]);
  return bytes;
}

/** Each row with its filter before it: colours as difference to the row above, masks as they are. */
function filterRows({ width, height, channels, data }: Raster): Uint8Array<ArrayBuffer> {
  const stride = width * channels;
  const rows = new Uint8Array((stride + 1) * height);
  for (let y = 0; y < height; y++) {
    const [to, from] = [y * (stride + 1) + 1, y * stride];
    if (channels === 1) {
      rows[to - 1] = FILTER_NONE;
      rows.set(data.subarray(from, from + stride), to);
      continue;
    }
    rows[to - 1] = FILTER_UP;
    for (let i = 0; i < stride; i++) {
      rows[to + i] = (data[from + i] ?? 0) - (y ? (data[from + i - stride] ?? 0) : 0);
    }
  }
  return rows;
}

function chunk(type: string, body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(body.length + 12);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, body.length);
  bytes.set(new TextEncoder().encode(type), 4);
  bytes.set(body, 8);
  view.setUint32(body.length + 8, crc32(bytes.subarray(4, body.length + 8)));
  return bytes;
}

export function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

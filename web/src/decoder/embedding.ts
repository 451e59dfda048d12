/** The embedding file of the server: magic bytes, a JSON header, little-endian numbers. */

import { DecoderError, type SizeHW } from "./types";

const MAGIC = "ANYMASK1";
const SHAPE = [256, 64, 64];
const HEADER_START = MAGIC.length + 4;

export interface Embedding {
  /** 256 x 64 x 64. */
  values: Float32Array;
  sizeHW: SizeHW;
  pairId: string;
}

interface Header {
  dtype: string;
  shape: number[];
  size_hw: [number, number];
  pair_id: string;
}

/** Reads an embedding file; throws a `DecoderError` for anything else. */
export function readEmbedding(file: ArrayBuffer): Embedding {
  const { header, start } = readHeader(file);
  const count = SHAPE.reduce((a, b) => a * b);
  if (header.shape.join() !== SHAPE.join()) {
    throw new DecoderError(`The embedding has shape ${header.shape.join(" x ")}, not ${SHAPE.join(" x ")}.`);
  }
  const bytes = header.dtype === "float16" ? 2 : 4;
  if (file.byteLength !== start + count * bytes) {
    throw new DecoderError(`The embedding has ${file.byteLength} bytes, not ${start + count * bytes}.`);
  }
  const values =
    bytes === 2 ? fromHalf(new Uint16Array(file, start, count)) : new Float32Array(file, start, count);
  return { values, sizeHW: header.size_hw, pairId: header.pair_id };
}

function readHeader(file: ArrayBuffer): { header: Header; start: number } {
  const text = (from: number, length: number) =>
    new TextDecoder().decode(new Uint8Array(file, from, Math.min(length, file.byteLength - from)));
  if (file.byteLength < HEADER_START || text(0, MAGIC.length) !== MAGIC) {
    throw new DecoderError("The server did not send an embedding. Reload the page.");
  }
  const length = new DataView(file).getUint32(MAGIC.length, true);
  try {
    const header = JSON.parse(text(HEADER_START, length)) as Header;
    return { header, start: HEADER_START + length };
  } catch {
    throw new DecoderError("The embedding's header is damaged. Open the picture again.");
  }
}

/** IEEE half precision to single precision. */
export function fromHalf(halves: Uint16Array): Float32Array {
  const values = new Float32Array(halves.length);
  const table = halfTable();
  for (let i = 0; i < halves.length; i++) values[i] = table[halves[i] as number] as number;
  return values;
}

let known: Float32Array | undefined;

/** All 65,536 half-precision numbers. */
function halfTable(): Float32Array {
  known ??= Float32Array.from({ length: 65536 }, (_, bits) => {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >> 10) & 0x1f;
    const fraction = bits & 0x3ff;
    if (exponent === 0) return sign * fraction * 2 ** -24;
    if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
    return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  });
  return known;
}

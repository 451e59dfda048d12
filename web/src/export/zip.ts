/** ZIP archives: PNG files stored as they are, texts deflated. */

import { crc32 } from "./crc32";
import { deflate } from "./deflate";

export interface ZipFile {
  readonly name: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

const MAX_BYTES = 0xffffffff;
const MAX_FILES = 0xffff;
const UTF8_NAMES = 0x0800;
const VERSION = 20;
const STORED = 0;
const DEFLATED = 8;

interface Entry {
  name: Uint8Array<ArrayBuffer>;
  body: Uint8Array<ArrayBuffer>;
  method: number;
  crc: number;
  size: number;
  offset: number;
}

/** The archive; throws a RangeError for more than the format without its 64-bit form holds. */
export async function zip(files: readonly ZipFile[], at: Date = new Date()): Promise<Blob> {
  if (files.length > MAX_FILES) throw new RangeError(`a zip holds ${MAX_FILES} files, not ${files.length}`);
  const parts: Uint8Array<ArrayBuffer>[] = [];
  const directory: Uint8Array<ArrayBuffer>[] = [];
  let offset = 0;
  for (const file of files) {
    const entry = await entryOf(file, offset);
    const local = localHeader(entry, at);
    parts.push(local, entry.body);
    directory.push(centralHeader(entry, at));
    offset += local.length + entry.body.length;
    if (offset > MAX_BYTES) throw new RangeError("the export is larger than 4 GiB; export fewer pictures");
  }
  const directoryBytes = directory.reduce((sum, header) => sum + header.length, 0);
  const end = fields([
    [4, 0x06054b50],
    [4, 0],
    [2, files.length],
    [2, files.length],
    [4, directoryBytes],
    [4, offset],
    [2, 0],
  ]);
  return new Blob([...parts, ...directory, end], { type: "application/zip" });
}

async function entryOf({ name, bytes }: ZipFile, offset: number): Promise<Entry> {
  const compress = !name.endsWith(".png");
  return {
    name: new TextEncoder().encode(name),
    body: compress ? await deflate(bytes, "deflate-raw") : bytes,
    method: compress ? DEFLATED : STORED,
    crc: crc32(bytes),
    size: bytes.length,
    offset,
  };
}

type Field = [bytes: 2 | 4, value: number];

const common = (entry: Entry, at: Date): Field[] => [
  [2, VERSION],
  [2, UTF8_NAMES],
  [2, entry.method],
  [2, (at.getHours() << 11) | (at.getMinutes() << 5) | (at.getSeconds() >> 1)],
  [2, ((at.getFullYear() - 1980) << 9) | ((at.getMonth() + 1) << 5) | at.getDate()],
  [4, entry.crc],
  [4, entry.body.length],
  [4, entry.size],
  [2, entry.name.length],
  [2, 0],
];

const localHeader = (entry: Entry, at: Date) => fields([[4, 0x04034b50], ...common(entry, at)], entry.name);

const centralHeader = (entry: Entry, at: Date) =>
  fields(
    [[4, 0x02014b50], [2, VERSION], ...common(entry, at), [2, 0], [2, 0], [2, 0], [4, 0], [4, entry.offset]],
    entry.name,
  );

function fields(values: readonly Field[], tail: Uint8Array = new Uint8Array()): Uint8Array<ArrayBuffer> {
  const length = values.reduce((sum, [bytes]) => sum + bytes, 0);
  const whole = new Uint8Array(length + tail.length);
  const view = new DataView(whole.buffer);
  let at = 0;
  for (const [bytes, value] of values) {
    if (bytes === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += bytes;
  }
  whole.set(tail, length);
  return whole;
}

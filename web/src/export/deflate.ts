type Format = "deflate" | "deflate-raw";

/** Compressed by the browser's own deflate; "deflate" is zlib's format, "deflate-raw" ZIP's. */
export async function deflate(
  bytes: Uint8Array<ArrayBuffer>,
  format: Format,
): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream(format));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

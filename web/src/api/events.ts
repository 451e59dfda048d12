/** Server-sent events over fetch, which unlike EventSource can carry a token. */

export type JobEvent =
  | { readonly type: "progress"; readonly done: number; readonly total: number }
  | { readonly type: "done" }
  | { readonly type: "failed"; readonly error: string }
  | { readonly type: "cancelled" };

/** The events of a stream as they come in. */
export async function* eventsOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<JobEvent> {
  const reader = stream
    .pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>)
    .getReader();
  let text = "";
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      text += part.value.replaceAll("\r\n", "\n");
      const blocks = text.split("\n\n");
      text = blocks.pop() ?? "";
      for (const block of blocks) {
        const event = parsed(block);
        if (event) yield event;
      }
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

/** One block of lines; null where it is a comment. */
function parsed(block: string): JobEvent | null {
  let [type, data] = ["", ""];
  for (const line of block.split("\n")) {
    if (line.startsWith("event:")) type = line.slice(6).trim();
    else if (line.startsWith("data:")) data += line.slice(5).trim();
  }
  return type ? ({ type, ...JSON.parse(data || "{}") } as JobEvent) : null;
}

import { expect, test } from "vitest";
import { eventsOf, type JobEvent } from "./events";

const stream = (...parts: string[]) =>
  new ReadableStream<Uint8Array>({
    start(controller) {
      for (const part of parts) controller.enqueue(new TextEncoder().encode(part));
      controller.close();
    },
  });

async function all(...parts: string[]): Promise<JobEvent[]> {
  const events: JobEvent[] = [];
  for await (const event of eventsOf(stream(...parts))) events.push(event);
  return events;
}

test("events come out whole however the network cuts them", async () => {
  const events = await all(
    "event: progress\nda",
    'ta: {"done": 1, "total": 4}\n',
    "\nevent: done\ndata: {}\n\n",
  );
  expect(events).toEqual([{ type: "progress", done: 1, total: 4 }, { type: "done" }]);
});

test("signs of life are no events", async () => {
  expect(await all(": still here\n\n", "event: cancelled\ndata: {}\n\n")).toEqual([{ type: "cancelled" }]);
});

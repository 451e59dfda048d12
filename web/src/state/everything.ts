/** Everything mode and phrases: jobs of the server, their masks, and which lies under the pointer. */

import type { Client, LabelledRecord, SamRecord } from "../api/client";
import { type Rle, rleBox, rleHolds } from "../masks/rle";
import { type Notices, sentence } from "./notices";
import { patiently } from "./patience";
import { type FoundMask, NOTHING_FOUND, type Picture } from "./picture";
import type { Preparation } from "./preparation";

export class Finder {
  private readonly jobs = new Map<string, AbortController>();

  constructor(
    private readonly client: Client,
    private readonly preparation: Preparation,
    private readonly notices: Notices,
  ) {}

  /** Finds all masks of the picture, or those for phrases; what was found before is replaced. */
  async find(picture: Picture, phrases: readonly string[] = []): Promise<void> {
    if (this.jobs.has(picture.key)) return;
    const stop = new AbortController();
    picture.closing.signal.addEventListener("abort", () => stop.abort(), { once: true });
    this.jobs.set(picture.key, stop);
    picture.everything.value = { ...NOTHING_FOUND, state: "running" };
    try {
      const records = await this.run(picture, phrases, stop.signal);
      const masks = records.map(found).sort((a, b) => b.area - a.area);
      picture.everything.value = { ...NOTHING_FOUND, state: "done", masks };
      this.notices.tell(counted(masks.length));
    } catch (error) {
      picture.everything.value = NOTHING_FOUND;
      if (stop.signal.aborted) this.notices.tell("Cancelled");
      else
        this.notices.alert(`${phrases.length ? "The search" : "Everything mode"} failed. ${sentence(error)}`);
    } finally {
      this.jobs.delete(picture.key);
    }
  }

  cancel(picture: Picture): void {
    this.jobs.get(picture.key)?.abort();
  }

  private async run(
    picture: Picture,
    phrases: readonly string[],
    signal: AbortSignal,
  ): Promise<(SamRecord | LabelledRecord)[]> {
    const job = await this.preparation.known(picture, ({ id }) =>
      phrases.length ? this.client.text(id, phrases, signal) : this.client.everything(id, signal),
    );
    signal.addEventListener("abort", () => void this.client.cancelJob(job).catch(() => undefined), {
      once: true,
    });
    signal.throwIfAborted();
    for await (const event of this.client.jobEvents(job, signal)) {
      if (event.type === "failed") throw new Error(event.error);
      if (event.type === "cancelled") throw new Error("the server cancelled the job");
      if (event.type === "progress") {
        picture.everything.value = {
          state: "running",
          done: event.done,
          total: event.total,
          masks: [],
        };
      }
    }
    return patiently(() => this.client.jobResult(job), this.notices, signal);
  }
}

const counted = (masks: number) =>
  masks === 0 ? "Nothing found" : masks === 1 ? "1 mask found" : `${masks} masks found`;

/** The phrases of a text with commas between them. */
export const phrasesOf = (text: string): string[] =>
  text
    .split(",")
    .map((one) => one.trim())
    .filter(Boolean);

function found(record: SamRecord | LabelledRecord): FoundMask {
  const { size, counts } = record.segmentation;
  const mask: Rle = { size: [size[0] ?? 0, size[1] ?? 0], counts };
  return {
    label: "label" in record ? record.label : null,
    mask,
    box: rleBox(mask),
    area: record.area,
    iou: record.predicted_iou,
    stability: record.stability_score,
  };
}

/** The smallest mask that holds the pixel, since larger ones lie beneath; -1 where none does. */
export function maskAt(masks: readonly FoundMask[], x: number, y: number): number {
  return masks.findLastIndex(({ mask, box }) => {
    const [x0, y0, x1, y1] = box;
    return x >= x0 && x < x1 && y >= y0 && y < y1 && rleHolds(mask, x, y);
  });
}

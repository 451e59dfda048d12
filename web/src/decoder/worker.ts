/** The worker's end: an engine whose arrays are handed over, not copied. */

import * as Comlink from "comlink";
import { Engine } from "./engine";
import type { Mask, Point, Preview, Prompt } from "./types";

const engine = new Engine();

const handed = {
  open: engine.open.bind(engine),
  add: engine.add.bind(engine),
  release: engine.release.bind(engine),
  close: engine.close.bind(engine),
  async preview(imageId: string, point: Pick<Point, "x" | "y">): Promise<Preview> {
    const preview = await engine.preview(imageId, point);
    return Comlink.transfer(preview, [preview.bits.buffer]);
  },
  async decode(imageId: string, prompt: Prompt, multimask: boolean): Promise<Mask[]> {
    const masks = await engine.decode(imageId, prompt, multimask);
    return Comlink.transfer(
      masks,
      masks.flatMap((mask) => [mask.bits.buffer, mask.lowRes.buffer]),
    );
  },
};

export type WorkerEngine = typeof handed;

Comlink.expose(handed);

/** The page's decoder: embeddings in, masks out, all work in a worker of its own. */

import * as Comlink from "comlink";
import { GRAPH_NAMES, type GraphName } from "./names";
import type { DecoderFiles, Mask, Point, Preview, Prompt, SizeHW } from "./types";
import type { WorkerEngine } from "./worker";

export type { DecoderFiles, Mask, Point, Preview, Prompt, SizeHW } from "./types";
export { DecoderError } from "./types";

const MOST_THREADS = 4;

/** Decodes prompts of pictures whose embeddings were added. */
export class Decoder {
  private readonly known = new Set<string>();
  private latestPreview = 0;
  private previewRuns: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly worker: Worker,
    private readonly engine: Comlink.Remote<WorkerEngine>,
  ) {}

  /**
   * Starts the worker and opens the graphs in it.
   *
   * @param about the server's description of the decoder.
   * @param fetchFile gets one of its files.
   * @param options.threads of WebAssembly; only with cross-origin isolation more than one.
   */
  static async open(
    about: DecoderFiles,
    fetchFile: (url: string) => Promise<ArrayBuffer>,
    options: { threads?: number } = {},
  ): Promise<Decoder> {
    const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
    const engine = Comlink.wrap<WorkerEngine>(worker);
    try {
      const contents = await Promise.all(GRAPH_NAMES.map((name) => fetchFile(about.files[name]?.url ?? "")));
      const files = Object.fromEntries(GRAPH_NAMES.map((name, i) => [name, contents[i]]));
      const threads = globalThis.crossOriginIsolated ? (options.threads ?? usualThreads()) : 1;
      await engine.open(
        Comlink.transfer(files as Record<GraphName, ArrayBuffer>, contents),
        about.pair_id,
        threads,
      );
    } catch (error) {
      worker.terminate();
      throw error;
    }
    return new Decoder(worker, engine);
  }

  /** Takes a picture's embedding file, which is gone afterwards; the picture's size comes back. */
  async add(imageId: string, embedding: ArrayBuffer): Promise<SizeHW> {
    const size = await this.engine.add(imageId, Comlink.transfer(embedding, [embedding]));
    this.known.add(imageId);
    return size;
  }

  has(imageId: string): boolean {
    return this.known.has(imageId);
  }

  /** What a click there would give, nearly; null where a later call came before this one began. */
  async preview(imageId: string, point: Pick<Point, "x" | "y">): Promise<Preview | null> {
    this.latestPreview += 1;
    const number = this.latestPreview;
    const before = this.previewRuns;
    const run = before.then(() =>
      number === this.latestPreview ? this.engine.preview(imageId, { x: point.x, y: point.y }) : null,
    );
    this.previewRuns = run.catch(() => undefined);
    return run;
  }

  /** The masks for a prompt, best first: one, or up to three with `multimask`. */
  async decode(imageId: string, prompt: Prompt, options: { multimask: boolean }): Promise<Mask[]> {
    return this.engine.decode(imageId, prompt, options.multimask);
  }

  /** Forgets a picture. */
  release(imageId: string): void {
    this.known.delete(imageId);
    void this.engine.release(imageId);
  }

  /** Ends the worker. */
  close(): void {
    this.worker.terminate();
  }
}

function usualThreads(): number {
  const cores = globalThis.navigator.hardwareConcurrency ?? 1;
  return cores <= 2 ? 1 : Math.min(MOST_THREADS, cores - 1);
}

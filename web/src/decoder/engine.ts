/** The decoder inside its worker: graphs, and the pictures they were prepared for. */

import { readEmbedding } from "./embedding";
import { resizedHW } from "./frame";
import { checkPair, Graphs, type ImageSide } from "./graphs";
import { GRAPH_NAMES, type GraphName } from "./names";
import { DecoderError, type Mask, type Point, type Preview, type Prompt, type SizeHW } from "./types";
import { cutMask, stability } from "./upsample";

const PREVIEW_PX = 512;

interface Prepared {
  side: ImageSide;
  sizeHW: SizeHW;
}

export class Engine {
  private graphs: Graphs | null = null;
  private pairId = "";
  private readonly pictures = new Map<string, Prepared>();

  /** Opens the graphs; all must be of the pair. */
  async open(files: Record<GraphName, ArrayBuffer>, pairId: string, threads: number): Promise<void> {
    for (const name of GRAPH_NAMES) checkPair(name, files[name], pairId);
    this.graphs = await Graphs.open(files, threads);
    this.pairId = pairId;
  }

  /** Takes a picture's embedding file. */
  async add(imageId: string, file: ArrayBuffer): Promise<SizeHW> {
    const embedding = readEmbedding(file);
    if (embedding.pairId !== this.pairId) {
      throw new DecoderError(
        `The embedding belongs to pair ${embedding.pairId} but the decoder is of ${this.pairId}. Reload the page.`,
      );
    }
    const side = await this.opened().prepare(embedding);
    this.pictures.set(imageId, { side, sizeHW: embedding.sizeHW });
    return embedding.sizeHW;
  }

  /** What a click there would give, nearly, at most 512 pixels wide and high. */
  async preview(imageId: string, point: Pick<Point, "x" | "y">): Promise<Preview> {
    const { side, sizeHW } = this.picture(imageId);
    const logits = await this.opened().peek(side, sizeHW, point);
    const [heightPx, widthPx] = shownSize(sizeHW);
    const { bits } = cutMask(logits, sizeHW, [heightPx, widthPx]);
    return { bits, heightPx, widthPx };
  }

  /** The masks for a prompt, best first. */
  async decode(imageId: string, prompt: Prompt, multimask: boolean): Promise<Mask[]> {
    const { side, sizeHW } = this.picture(imageId);
    const answers = await this.opened().ask(side, sizeHW, prompt, multimask);
    return answers.map(({ logits: lowRes, iou }) => ({
      lowRes,
      iou,
      stability: stability(lowRes, sizeHW),
      ...cutMask(lowRes, sizeHW),
    }));
  }

  release(imageId: string): void {
    this.pictures.delete(imageId);
  }

  async close(): Promise<void> {
    this.pictures.clear();
    await this.graphs?.close();
    this.graphs = null;
  }

  private opened(): Graphs {
    if (!this.graphs) throw new DecoderError("The decoder is not open.");
    return this.graphs;
  }

  private picture(imageId: string): Prepared {
    const prepared = this.pictures.get(imageId);
    if (!prepared) throw new DecoderError("The decoder does not know this picture; add its embedding first.");
    return prepared;
  }
}

/** The size a preview is looked at: never larger than the picture on the canvas. */
function shownSize(sizeHW: SizeHW): SizeHW {
  const resized = resizedHW(sizeHW);
  const scale = Math.min(1, PREVIEW_PX / Math.max(...resized));
  const [height, width] = resized.map((side) => Math.max(1, Math.round(side * scale))) as [number, number];
  return [height, width];
}

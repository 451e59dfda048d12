/** The three graphs of contracts/decoder.json on onnxruntime-web, one picture's share kept each. */

import runtimeModule from "onnxruntime-web/ort-wasm-simd-threaded.mjs?url";
import runtimeBinary from "onnxruntime-web/ort-wasm-simd-threaded.wasm?url";
import * as ort from "onnxruntime-web/wasm";
import contract from "../../../contracts/decoder.json";
import { type Answered, byPlausibility, type Cell, CLICKS, fillBox, mostCorrect } from "./choice";
import type { Embedding } from "./embedding";
import { CELL_PX, LOW_RES_PX, placed, resizedHW, visibleCells, visibleLowRes, WHOLE_GRID } from "./frame";
import { GRAPH_NAMES, type GraphName } from "./names";
import { DecoderError, type Point, type Prompt, type SizeHW } from "./types";

/** What all prompts of a picture share. */
export type ImageSide = Readonly<Record<string, ort.Tensor>>;

const CELLS = LOW_RES_PX * LOW_RES_PX;
const NO_MASK = new Float32Array(CELLS);
const WHOLE = { rows: LOW_RES_PX, columns: LOW_RES_PX, stride: LOW_RES_PX };
const SINGLE = [0n];
const SEVERAL = [1n, 2n, 3n];
const ALL = [0n, 1n, 2n, 3n];

export class Graphs {
  private constructor(private readonly sessions: Record<GraphName, ort.InferenceSession>) {}

  /** Sessions of the model files' contents. */
  static async open(files: Record<GraphName, ArrayBuffer>, threads: number): Promise<Graphs> {
    ort.env.wasm.wasmPaths = { mjs: absolute(runtimeModule), wasm: absolute(runtimeBinary) };
    ort.env.wasm.numThreads = threads;
    const options: ort.InferenceSession.SessionOptions = { executionProviders: ["wasm"] };
    const sessions = {} as Record<GraphName, ort.InferenceSession>;
    for (const name of GRAPH_NAMES) {
      sessions[name] = await ort.InferenceSession.create(new Uint8Array(files[name]), options);
    }
    return new Graphs(sessions);
  }

  /** The share of a picture. */
  async prepare({ values }: Embedding): Promise<ImageSide> {
    const embedding = new ort.Tensor("float32", values, [256, 64, 64]);
    return this.run("image", { embedding });
  }

  /** The answers to a prompt, best first, on the whole canvas, so that they can be fed back. */
  async ask(side: ImageSide, size: SizeHW, prompt: Prompt, multimask: boolean): Promise<Answered[]> {
    const { coords } = placed(prompt, size);
    const alone = !prompt.box && prompt.points.length === 1;
    const clicked = prompt.points
      .map(({ label }, i) => ({
        label,
        x: (coords[2 * i] as number) / CELL_PX,
        y: (coords[2 * i + 1] as number) / CELL_PX,
      }))
      .filter(({ label }) => label === 1);
    if (multimask || alone) {
      const answers = ranked(await this.decode(side, prompt, SEVERAL, size), size, clicked);
      return multimask ? answers : answers.slice(0, 1);
    }
    if (prompt.box && prompt.points.length === 0) {
      const [x0, y0, x1, y1] = coords.map((side) => side / CELL_PX) as unknown as [
        number,
        number,
        number,
        number,
      ];
      return [fillBox(await this.decode(side, prompt, ALL, size), WHOLE, [x0, y0, x1, y1])];
    }
    if (!prompt.box && prompt.previous && prompt.points.length === CLICKS) {
      const answers = await this.decode(side, prompt, ALL, size);
      return [mostCorrect(answers, gridOf(size), clicked.slice(0, 1), prompt.previous)];
    }
    return this.decode(side, prompt, SINGLE, size);
  }

  private async decode(
    side: ImageSide,
    prompt: Prompt,
    candidates: readonly bigint[],
    size: SizeHW,
  ): Promise<Answered[]> {
    const { coords, labels } = placed(prompt, size);
    const outputs = await this.run("prompt", {
      coords: new ort.Tensor("float32", coords, [labels.length, 2]),
      labels: new ort.Tensor("int64", labels, [labels.length]),
      candidates: whole(candidates),
      count: whole([BigInt(candidates.length)]),
      mask_logits: new ort.Tensor("float32", prompt.previous ?? NO_MASK, [1, 1, LOW_RES_PX, LOW_RES_PX]),
      has_mask: new ort.Tensor("bool", [prompt.previous !== undefined], []),
      visible: whole(WHOLE_GRID.map(BigInt)),
      ...side,
    });
    return answersOf(outputs);
  }

  /** Nearly the logits of a click, right only where the picture is. */
  async peek(side: ImageSide, size: SizeHW, point: Pick<Point, "x" | "y">): Promise<Float32Array> {
    const [height, width] = size;
    const [resizedHeight, resizedWidth] = resizedHW(size);
    const [x, y] = [(point.x * resizedWidth) / width, (point.y * resizedHeight) / height];
    const outputs = await this.run("preview", {
      coords: new ort.Tensor("float32", Float32Array.of(x, y), [1, 2]),
      visible: whole(visibleCells(size).map(BigInt)),
      ...side,
    });
    const [best] = ranked(answersOf(outputs), size, [{ x: x / CELL_PX, y: y / CELL_PX }]);
    return (best as Answered).logits;
  }

  /** Frees the sessions. */
  async close(): Promise<void> {
    for (const session of Object.values(this.sessions)) await session.release();
  }

  private async run(name: GraphName, feeds: Record<string, ort.Tensor>): Promise<Record<string, ort.Tensor>> {
    const outputs = Object.keys(contract.graphs[name].outputs);
    return this.sessions[name].run(feeds, outputs);
  }
}

/** The masks of a prompt that may mean several, the most plausible first. */
function ranked(answers: readonly Answered[], size: SizeHW, foreground: readonly Cell[]): Answered[] {
  const order = byPlausibility(answers, gridOf(size), foreground);
  return order.map((i) => answers[i] as Answered);
}

/** The part of the canvas that shows the picture. */
function gridOf(size: SizeHW) {
  const [rows, columns] = visibleLowRes(size);
  return { rows, columns, stride: LOW_RES_PX };
}

function answersOf(outputs: Record<string, ort.Tensor>): Answered[] {
  const logits = numbers(outputs, "logits");
  return [...numbers(outputs, "iou")].map((iou, i) => ({
    logits: logits.slice(i * CELLS, (i + 1) * CELLS),
    iou,
  }));
}

/** Which pair a model file belongs to, from the end of its metadata. */
export function checkPair(name: string, file: ArrayBuffer, pairId: string): void {
  const end = new TextDecoder("latin1").decode(new Uint8Array(file, Math.max(0, file.byteLength - 1024)));
  if (!end.includes(pairId)) {
    throw new DecoderError(`The decoder's ${name} graph is not of pair ${pairId}. Reload the page.`);
  }
}

function numbers(outputs: Record<string, ort.Tensor>, name: string): Float32Array {
  const data = outputs[name]?.data;
  if (!(data instanceof Float32Array))
    throw new DecoderError(`The decoder gave no ${name}. Reload the page.`);
  return data;
}

const whole = (values: readonly bigint[]) =>
  new ort.Tensor("int64", BigInt64Array.from(values), [values.length]);

const absolute = (url: string) => new URL(url, globalThis.location.href).href;

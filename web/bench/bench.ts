/** What benchmarks/browser.py calls: the page's decoder and the published one, in turn. */

import runtimeModule from "onnxruntime-web/ort-wasm-simd-threaded.mjs?url";
import runtimeBinary from "onnxruntime-web/ort-wasm-simd-threaded.wasm?url";
import * as ort from "onnxruntime-web/wasm";
import { Decoder, type DecoderFiles, type Mask, type Prompt } from "../src/decoder";
import { placed } from "../src/decoder/frame";

const bytes = async (url: string) => (await fetch(url)).arrayBuffer();
const toBase64 = (bits: Uint8Array) => {
  let text = "";
  for (let i = 0; i < bits.length; i += 8192) text += String.fromCharCode(...bits.subarray(i, i + 8192));
  return btoa(text);
};

type Place = { x: number; y: number };
const click = ({ x, y }: Place): Prompt => ({ points: [{ x, y, label: 1 }] });

let decoder: Decoder;
let size: readonly [number, number];
const published = new Map<string, ort.InferenceSession>();

async function timed<T>(work: () => Promise<T>): Promise<{ ms: number; value: T }> {
  const start = performance.now();
  const value = await work();
  return { ms: performance.now() - start, value };
}

const bench = {
  isolated: () => globalThis.crossOriginIsolated,

  async open(about: DecoderFiles, threads: number) {
    decoder = await Decoder.open(about, bytes, { threads });
  },

  /** Time of the graph that runs once a picture. */
  async add(id: string, url: string): Promise<number> {
    const file = await bytes(url);
    const { ms, value } = await timed(() => decoder.add(id, file));
    size = value;
    return ms;
  },

  async hover(id: string, place: Place) {
    const { ms, value } = await timed(() => decoder.preview(id, place));
    if (!value) throw new Error("the preview was dropped");
    return { ms, bits: toBase64(value.bits), width: value.widthPx, height: value.heightPx };
  },

  async click(id: string, place: Place) {
    const { ms, value } = await timed(() => decoder.decode(id, click(place), { multimask: false }));
    return { ms, bits: toBase64((value[0] as Mask).bits), width: size[1], height: size[0] };
  },

  /** A second click with the logits of the first. */
  async refine(id: string, place: Place, removed: Place) {
    const [first] = await decoder.decode(id, click(place), { multimask: false });
    const prompt: Prompt = {
      points: [...click(place).points, { ...removed, label: 0 }],
      previous: (first as Mask).lowRes,
    };
    const { ms } = await timed(() => decoder.decode(id, prompt, { multimask: false }));
    return { ms };
  },

  async openPublished(name: string, url: string) {
    ort.env.wasm.wasmPaths = {
      mjs: new URL(runtimeModule, location.href).href,
      wasm: new URL(runtimeBinary, location.href).href,
    };
    ort.env.wasm.numThreads = 1;
    const options: ort.InferenceSession.SessionOptions = { executionProviders: ["wasm"] };
    published.set(name, await ort.InferenceSession.create(new Uint8Array(await bytes(url)), options));
  },

  /** The published decoder with its six inputs, masks at the size of the picture. */
  async askPublished(name: string, embeddingUrl: string, place: Place): Promise<number> {
    const { coords } = placed(click(place), size);
    const values = new Float32Array(await bytes(embeddingUrl));
    const feeds = {
      image_embeddings: new ort.Tensor("float32", values, [1, 256, 64, 64]),
      point_coords: new ort.Tensor("float32", coords, [1, 2, 2]),
      point_labels: new ort.Tensor("float32", [1, -1], [1, 2]),
      mask_input: new ort.Tensor("float32", new Float32Array(65536), [1, 1, 256, 256]),
      has_mask_input: new ort.Tensor("float32", [0], [1]),
      orig_im_size: new ort.Tensor("float32", [...size], [2]),
    };
    const session = published.get(name) as ort.InferenceSession;
    return (await timed(() => session.run(feeds))).ms;
  },
};

declare global {
  interface Window {
    bench: typeof bench;
  }
}
window.bench = bench;

/** Masks for drafts: each click is answered with the logits of the click before it. */

import type { Decoder, Mask } from "../decoder";
import { logitsFromBits } from "../masks/logits";
import { type Bits, type BoxXyxy, decodeRle } from "../masks/rle";
import { measure, withStrokes } from "../masks/strokes";
import { type Draft, hasPrompts } from "./document";
import type { Identity } from "./picture";

/** What the prompts of a draft give, before touch-ups. */
export interface Answer {
  /** Best first: three for a single point where candidates are asked for, else one. */
  readonly candidates: readonly Mask[];
}

/** A mask at picture size with its measures. */
export interface DraftMask {
  readonly bits: Bits;
  readonly box: BoxXyxy;
  readonly area: number;
  readonly iou: number | null;
  readonly stability: number | null;
}

const MOST_KEPT_BYTES = 192 * 2 ** 20;

/** The answers of one picture, the recent ones kept for undo and redo. */
export class Answers {
  private readonly kept = new Map<string, Answer>();
  private readonly pending = new Map<string, Promise<Answer>>();

  constructor(
    private readonly decoder: Pick<Decoder, "decode">,
    private readonly pictureKey: string,
    private readonly size: Pick<Identity, "width" | "height">,
  ) {}

  /** The answer where it is at hand. */
  find(draft: Draft): Answer | undefined {
    const key = keyOf(draft);
    const answer = this.kept.get(key);
    if (answer) {
      this.kept.delete(key);
      this.kept.set(key, answer);
    }
    return answer;
  }

  /** The answer, decoded once if need be; those of the clicks before come first. */
  async ask(draft: Draft): Promise<Answer> {
    const found = this.find(draft);
    if (found) return found;
    const key = keyOf(draft);
    const pending = this.pending.get(key) ?? this.decode(draft);
    this.pending.set(key, pending);
    try {
      const answer = await pending;
      this.keep(key, answer);
      return answer;
    } finally {
      this.pending.delete(key);
    }
  }

  /** The mask for a box that nobody will ask for again. */
  async glance(box: BoxXyxy): Promise<DraftMask | null> {
    const prompt = { points: [], box: [...box] as [number, number, number, number] };
    const [mask] = await this.decoder.decode(this.pictureKey, prompt, { multimask: false });
    return mask ? maskOf(mask, this.size) : null;
  }

  /** The draft's mask with its touch-ups; null until its prompts are answered. */
  mask(draft: Draft): DraftMask | null {
    const start = this.start(draft);
    if (!start || draft.strokes.length === 0) return start;
    const bits = withStrokes(start.bits, draft.strokes);
    return { bits, ...measure(bits), iou: null, stability: null };
  }

  private async decode(draft: Draft): Promise<Answer> {
    const prompt = {
      points: draft.points.map(({ x, y, label }) => ({ x, y, label })),
      ...(draft.box ? { box: [...draft.box] as [number, number, number, number] } : {}),
      ...(await this.previous(draft)),
    };
    const candidates = await this.decoder.decode(this.pictureKey, prompt, { multimask: offersChoice(draft) });
    return { candidates };
  }

  private start(draft: Draft): DraftMask | null {
    const { width, height } = this.size;
    if (!hasPrompts(draft)) {
      const bits = draft.base
        ? decodeRle(draft.base)
        : { data: new Uint8Array(width * height), width, height };
      return { bits, ...measure(bits), iou: null, stability: null };
    }
    const answer = this.find(draft);
    return answer ? maskOf(chosen(draft, answer), this.size) : null;
  }

  /** Low-res logits to feed back. A box says so much that none are fed back with it. */
  private async previous(draft: Draft): Promise<{ previous?: Float32Array }> {
    if (draft.box) return {};
    if (draft.points.length > 1) {
      const before = { ...draft, points: draft.points.slice(0, -1) };
      return { previous: chosen(before, await this.ask(before)).lowRes };
    }
    return draft.base ? { previous: logitsFromBits(decodeRle(draft.base)) } : {};
  }

  private keep(key: string, answer: Answer): void {
    this.kept.set(key, answer);
    let bytes = 0;
    for (const [old, { candidates }] of [...this.kept].reverse()) {
      bytes += candidates.reduce((sum, mask) => sum + mask.bits.length + mask.lowRes.byteLength, 0);
      if (bytes > MOST_KEPT_BYTES && old !== key) this.kept.delete(old);
    }
  }
}

/** A mask of the decoder at picture size. */
export const maskOf = (mask: Mask, { width, height }: Pick<Identity, "width" | "height">): DraftMask => ({
  bits: { data: mask.bits, width, height },
  box: mask.bbox,
  area: mask.area,
  iou: mask.iou,
  stability: mask.stability,
});

const offersChoice = ({ multimask, points, box, base }: Draft) =>
  multimask && points.length === 1 && !box && !base;

/** The candidate that the draft goes on with. */
function chosen(draft: Draft, { candidates }: Answer): Mask {
  const mask = candidates[offersChoice(draft) ? draft.candidate : 0] ?? candidates[0];
  if (!mask) throw new Error("the decoder gave no mask");
  return mask;
}

/** Names all that the answer depends on. */
function keyOf({ points, box, multimask, candidate, base }: Draft): string {
  const choice = multimask ? [points.length > 1 ? candidate : -1] : [];
  return JSON.stringify([points.map(({ x, y, label }) => [x, y, label]), box, choice, base?.counts]);
}

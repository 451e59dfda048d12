import { expect, test } from "vitest";
import type { Mask, Prompt } from "../decoder";
import { decodeRle, encodeRle } from "../masks/rle";
import { Answers } from "./answers";
import { type Draft, EMPTY_DRAFT, type Point } from "./document";

const SIZE = { width: 4, height: 2 };

/** A decoder that numbers its answers and remembers what it was asked. */
class Recorder {
  readonly asked: { prompt: Prompt; multimask: boolean }[] = [];

  async decode(_: string, prompt: Prompt, { multimask }: { multimask: boolean }): Promise<Mask[]> {
    this.asked.push({ prompt, multimask });
    const number = this.asked.length;
    return (multimask ? [0, 1, 2] : [0]).map((candidate) => ({
      lowRes: Float32Array.of(number, candidate),
      iou: 0.9,
      stability: 0.9,
      bits: Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0),
      area: 1,
      bbox: [0, 0, 1, 1],
    }));
  }
}

const made = () => {
  const decoder = new Recorder();
  return { decoder, answers: new Answers(decoder, "picture", SIZE) };
};
const point = (x: number, label: 0 | 1 = 1): Point => ({ x, y: 0, label });
const draft = (values: Partial<Draft>): Draft => ({ ...EMPTY_DRAFT, ...values });

test("from the second click on the former answer's logits are fed back", async () => {
  const { decoder, answers } = made();
  await answers.ask(draft({ points: [point(0), point(1), point(2, 0)] }));
  expect(decoder.asked.map(({ prompt }) => [prompt.points.length, prompt.previous?.[0]])).toEqual([
    [1, undefined],
    [2, 1],
    [3, 2],
  ]);
});

test("the chosen candidate is what a second click goes on from", async () => {
  const { decoder, answers } = made();
  await answers.ask(draft({ points: [point(0), point(1)], multimask: true, candidate: 2 }));
  expect(decoder.asked.map(({ multimask }) => multimask)).toEqual([true, false]);
  expect([...(decoder.asked[1]?.prompt.previous ?? [])]).toEqual([1, 2]);
});

test("one question asked twice at once is decoded once", async () => {
  const { decoder, answers } = made();
  const single = draft({ points: [point(0)] });
  await Promise.all([answers.ask(single), answers.ask({ ...single })]);
  expect(decoder.asked).toHaveLength(1);
});

test("choosing among candidates asks nothing anew", async () => {
  const { decoder, answers } = made();
  const single = draft({ points: [point(0)], multimask: true });
  await answers.ask(single);
  expect(answers.find({ ...single, candidate: 1 })?.candidates).toHaveLength(3);
  expect(decoder.asked).toHaveLength(1);
});

test("with a box nothing is fed back", async () => {
  const { decoder, answers } = made();
  await answers.ask(draft({ box: [0, 0, 2, 2], points: [point(0), point(1)] }));
  expect(decoder.asked.map(({ prompt }) => prompt.previous)).toEqual([undefined]);
});

test("a click on a finished mask starts from that mask", async () => {
  const { decoder, answers } = made();
  const base = encodeRle({ data: Uint8Array.of(1, 1, 1, 1, 1, 1, 1, 1), ...SIZE });
  expect(answers.mask(draft({ base }))?.area).toBe(8);
  await answers.ask(draft({ base, points: [point(0, 0)] }));
  expect(decoder.asked[0]?.prompt.previous?.[0]).toBeCloseTo(10);
});

test("strokes alone make a mask, and touch up what prompts gave", async () => {
  const { answers } = made();
  const stroke = { erase: false, radiusPx: 0.6, path: [3.5, 1.5] };
  expect(answers.mask(draft({ strokes: [stroke] }))?.box).toEqual([3, 1, 4, 2]);
  const touched = draft({ points: [point(0)], strokes: [stroke] });
  expect(answers.mask(touched)).toBeNull();
  await answers.ask(touched);
  const mask = answers.mask(touched);
  expect(mask?.area).toBe(2);
  expect(mask && decodeRle(encodeRle(mask.bits, mask.box)).data).toEqual(mask?.bits.data);
});

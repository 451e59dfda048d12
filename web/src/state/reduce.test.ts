import { describe, expect, test } from "vitest";
import { encodeRle } from "../masks/rle";
import { type Document, EMPTY_DOCUMENT, EMPTY_DRAFT, isUnsaved, type Label } from "./document";
import { commit, redo, shortened, started, undo } from "./history";
import { recipeOf } from "./recipe";
import { type Action, reduce } from "./reduce";

const mask = encodeRle({ data: Uint8Array.of(0, 1, 1, 0), width: 2, height: 2 });
const made = (id: string) => ({ id, mask, area: 2, iou: 0.9, stability: 0.95 });
const point = (x: number, y: number, label: Label = 1): Action => ({ type: "point", point: { x, y, label } });
const play = (...actions: Action[]): Document => actions.reduce(reduce, EMPTY_DOCUMENT);

describe("clicks", () => {
  test("points are kept in the order clicked", () => {
    const { draft } = play(point(1, 2), point(3, 4, 0));
    expect(draft.points).toEqual([
      { x: 1, y: 2, label: 1 },
      { x: 3, y: 4, label: 0 },
    ]);
  });

  test("taking away from nothing changes nothing", () => {
    expect(play(point(1, 2, 0))).toBe(EMPTY_DOCUMENT);
  });

  test("a point to take away goes with a box alone", () => {
    expect(play({ type: "box", box: [0, 0, 9, 9] }, point(1, 2, 0)).draft.points).toHaveLength(1);
  });
});

describe("boxes", () => {
  const box: Action = { type: "box", box: [10, 10, 20, 20] };

  test("a positive point outside enlarges the box to hold its pixel", () => {
    expect(play(box, point(25, 5)).draft.box).toEqual([10, 5, 26, 20]);
    expect(play(box, point(20, 10)).draft.box).toEqual([10, 10, 21, 20]);
  });

  test("points inside and negative points leave the box", () => {
    expect(play(box, point(19, 19), point(90, 90, 0)).draft.box).toEqual([10, 10, 20, 20]);
  });

  test("a new box starts anew", () => {
    const { draft } = play(point(1, 1), box, point(12, 12), { type: "box", box: [0, 0, 5, 5] });
    expect(draft).toEqual({ ...EMPTY_DRAFT, box: [0, 0, 5, 5] });
  });
});

describe("candidates", () => {
  test("one of three is chosen while there is a single point, and stays the start of what follows", () => {
    const single: Action = { type: "single", point: { x: 1, y: 1, label: 1 } };
    const chosen = play(single, { type: "candidate", candidate: 2 }, point(3, 3));
    expect(chosen.draft).toMatchObject({ multimask: true, candidate: 2 });
    expect(reduce(chosen, { type: "candidate", candidate: 1 })).toBe(chosen);
  });

  test("another single point replaces the first", () => {
    const { draft } = play(
      { type: "single", point: { x: 1, y: 1, label: 1 } },
      { type: "candidate", candidate: 1 },
      { type: "single", point: { x: 5, y: 5, label: 1 } },
    );
    expect(draft).toMatchObject({ points: [{ x: 5, y: 5, label: 1 }], candidate: 0 });
  });
});

describe("objects", () => {
  test("saving puts the mask into the list with name, colour and prompts, and empties the draft", () => {
    const saved = play(point(1, 1), { type: "save", ...made("a") });
    expect(saved.draft).toEqual(EMPTY_DRAFT);
    expect(saved.objects[0]).toMatchObject({ id: "a", name: "Object 1", mask, visible: true });
    expect(saved.objects[0]?.draft).toMatchObject({ objectId: "a", points: [{ x: 1, y: 1, label: 1 }] });
  });

  test("numbers are never used twice", () => {
    const { objects } = play(
      { type: "save", ...made("a") },
      { type: "delete", id: "a" },
      { type: "save", ...made("b") },
    );
    expect(objects.map((o) => o.name)).toEqual(["Object 2"]);
  });

  test("objects that were found for a phrase are called by it, each differently", () => {
    const { objects } = play({
      type: "add",
      objects: [
        { ...made("a"), name: "a cup" },
        { ...made("b"), name: "a cup" },
        { ...made("c"), name: null },
      ],
    });
    expect(objects.map((o) => o.name)).toEqual(["a cup", "a cup 2", "Object 3"]);
  });

  test("editing an object and saving changes that object and no other", () => {
    const two = play(point(1, 1), { type: "save", ...made("a") }, point(2, 2), {
      type: "save",
      ...made("b"),
    });
    const editing = reduce(two, { type: "edit", id: "a" });
    expect(isUnsaved(editing)).toBe(false);
    const changed = reduce(editing, { type: "point", point: { x: 9, y: 9, label: 0 } });
    expect(isUnsaved(changed)).toBe(true);
    const saved = reduce(changed, { type: "save", ...made("c"), area: 7 });
    expect(saved.objects.map((o) => [o.id, o.area, o.draft.points.length])).toEqual([
      ["a", 7, 2],
      ["b", 2, 1],
    ]);
    expect(saved.objects[1]).toBe(two.objects[1]);
  });

  test("masks of everything mode become objects that can be edited from their mask on", () => {
    const { objects } = play({ type: "add", objects: [made("a"), made("b")] });
    expect(objects.map((o) => o.name)).toEqual(["Object 1", "Object 2"]);
    expect(objects[0]?.draft).toEqual({ ...EMPTY_DRAFT, base: mask, objectId: "a" });
  });

  test("deleting the object that is edited ends the editing", () => {
    const editing = play({ type: "save", ...made("a") }, { type: "edit", id: "a" });
    expect(reduce(editing, { type: "delete", id: "a" })).toMatchObject({ objects: [], draft: EMPTY_DRAFT });
  });

  test("changes that change nothing give the same document", () => {
    const saved = play({ type: "save", ...made("a") });
    expect(reduce(saved, { type: "rename", id: "a", name: "Object 1" })).toBe(saved);
    expect(reduce(saved, { type: "show", id: "nobody", visible: false })).toBe(saved);
  });
});

describe("history", () => {
  test("undo and redo walk the documents, saved objects included", () => {
    let history = started(EMPTY_DOCUMENT);
    for (const action of [point(1, 1), point(2, 2), { type: "save", ...made("a") } as Action]) {
      history = commit(history, reduce(history.present, action));
    }
    const back = undo(undo(history));
    expect(back.present.draft.points).toHaveLength(1);
    expect(back.present.objects).toEqual([]);
    expect(redo(redo(back)).present).toBe(history.present);
    expect(undo(undo(undo(undo(back)))).present).toBe(EMPTY_DOCUMENT);
  });

  test("a change after an undo forgets what was undone; no change forgets nothing", () => {
    const history = undo(commit(started(1), 2));
    expect(commit(history, 1)).toBe(history);
    expect(redo(commit(history, 3)).present).toBe(3);
  });

  test("a shortened history keeps the nearest steps", () => {
    const history = undo([2, 3, 4, 5].reduce(commit<number>, started<number>(1)));
    expect(shortened(history, 2)).toEqual({ past: [2, 3], present: 4, future: [5] });
  });
});

describe("steps of an edit", () => {
  const blur = (id: string, on: string | null = null): Action => ({
    type: "addStep",
    step: { id, step: "blur", on, parameters: { radius: 3 } },
  });
  const saved = (id: string): Action => ({ type: "save", ...made(id) });

  test("they are kept in the order added, changed and removed", () => {
    const changed: Action = { type: "changeStep", id: "1", values: { parameters: { radius: 9 } } };
    const document = play(blur("1"), blur("2"), changed, { type: "removeStep", id: "2" });
    expect(document.steps).toEqual([{ id: "1", step: "blur", on: null, parameters: { radius: 9 } }]);
  });

  test("an object that is deleted takes its steps along", () => {
    const document = play(point(1, 1), saved("a"), blur("1", "a"), blur("2"), { type: "delete", id: "a" });
    expect(document.steps.map(({ id }) => id)).toEqual(["2"]);
  });
});

describe("the recipe", () => {
  const two = play(
    point(1, 1),
    { type: "save", ...made("a") },
    point(0, 0),
    { type: "save", ...made("b") },
    { type: "rename", id: "b", name: "Object 1" },
  );
  const step = (on: string | null): Action => ({
    type: "addStep",
    step: { id: "s", step: "blur", on, parameters: { edge: "hard", radius: 3 } },
  });

  test("a step about all objects brings the masks of all, under different names", () => {
    expect(recipeOf(reduce(two, step(null)))).toEqual({
      schema: "anymask.edit/1",
      masks: { "Object 1": { mask }, "Object 1 (2)": { mask } },
      steps: [{ step: "blur", edge: "hard", radius: 3 }],
    });
  });

  test("a step about one object brings its mask alone", () => {
    const recipe = recipeOf(reduce(two, step("b")));
    expect(Object.keys(recipe.masks)).toEqual(["Object 1 (2)"]);
    expect(recipe.steps[0]).toMatchObject({ on: ["Object 1 (2)"] });
  });
});

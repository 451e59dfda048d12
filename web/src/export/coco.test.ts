import { expect, test } from "vitest";
import fixtures from "../masks/fixtures/rle.json";
import type { Rle } from "../masks/rle";
import { categoryOf, cocoDocument } from "./coco";

const disc = fixtures.find((f) => f.name === "disc");
if (!disc) throw new Error("the fixtures have no disc");
const mask = { size: disc.size, counts: disc.counts } as unknown as Rle;
const object = (name: string) => ({ name, mask, iou: 0.9, stability: null });

test("area, box and code are those of pycocotools", () => {
  const picture = { fileName: "a.jpg", width: 57, height: 40, objects: [object("Object 1")] };
  const [annotation] = cocoDocument([picture]).annotations;
  expect(annotation).toMatchObject({
    area: disc.area,
    bbox: disc.bbox,
    segmentation: { size: disc.size, counts: disc.counts },
    score: 0.9,
    iscrowd: 0,
  });
  expect(annotation).not.toHaveProperty("stability_score");
});

test("names are categories; objects nobody named are of the category object", () => {
  const document = cocoDocument([
    { fileName: "a.jpg", width: 57, height: 40, objects: [object("Object 1"), object("cup")] },
    { fileName: "b.jpg", width: 57, height: 40, objects: [object("cup ")] },
  ]);
  expect(document.categories.map((c) => c.name)).toEqual(["object", "cup"]);
  expect(document.annotations.map((a) => [a.id, a.image_id, a.category_id])).toEqual([
    [1, 1, 1],
    [2, 1, 2],
    [3, 2, 2],
  ]);
});

test.each([
  ["Object 12", "object"],
  ["  ", "object"],
  ["Object", "Object"],
])("the category of %j is %j", (name, category) => expect(categoryOf(name)).toBe(category));

/** Objects of several pictures as a COCO data set, with run-length codes, since polygons lose holes. */

import { type Rle, rleArea, rleBox } from "../masks/rle";

export interface CocoObject {
  readonly name: string;
  readonly mask: Rle;
  /** Predicted IoU, where the mask came from the model. */
  readonly iou: number | null;
  readonly stability: number | null;
}

export interface CocoPicture {
  readonly fileName: string;
  readonly width: number;
  readonly height: number;
  readonly objects: readonly CocoObject[];
}

export interface CocoDocument {
  info: { description: string; version: string };
  images: { id: number; file_name: string; width: number; height: number }[];
  annotations: {
    id: number;
    image_id: number;
    category_id: number;
    segmentation: Rle;
    area: number;
    bbox: [number, number, number, number];
    iscrowd: 0;
    name: string;
    score?: number;
    stability_score?: number;
  }[];
  categories: { id: number; name: string; supercategory: string }[];
}

const UNNAMED = /^Object \d+$/;
const UNNAMED_CATEGORY = "object";

/** Objects with a name of their own form a category of that name, all others the category "object". */
export const categoryOf = (name: string) =>
  UNNAMED.test(name) || name.trim() === "" ? UNNAMED_CATEGORY : name.trim();

export function cocoDocument(pictures: readonly CocoPicture[]): CocoDocument {
  const names = [...new Set(pictures.flatMap((p) => p.objects.map((o) => categoryOf(o.name))))];
  const document: CocoDocument = {
    info: { description: "anymask Studio", version: "1" },
    images: [],
    annotations: [],
    categories: names.map((name, i) => ({ id: i + 1, name, supercategory: "" })),
  };
  pictures.forEach((picture, i) => {
    const { fileName, width, height, objects } = picture;
    document.images.push({ id: i + 1, file_name: fileName, width, height });
    for (const object of objects) {
      const [x0, y0, x1, y1] = rleBox(object.mask);
      document.annotations.push({
        id: document.annotations.length + 1,
        image_id: i + 1,
        category_id: names.indexOf(categoryOf(object.name)) + 1,
        segmentation: object.mask,
        area: rleArea(object.mask),
        bbox: [x0, y0, x1 - x0, y1 - y0],
        iscrowd: 0,
        name: object.name,
        ...(object.iou === null ? {} : { score: object.iou }),
        ...(object.stability === null ? {} : { stability_score: object.stability }),
      });
    }
  });
  return document;
}

/** The files of an export: masks, cut-outs and a COCO data set of all pictures. */

import { decodeRle, type Rle } from "../masks/rle";
import { type CocoPicture, cocoDocument } from "./coco";
import { distinct, stem } from "./names";
import { encodePng } from "./png";
import { cutoutBox, cutoutRaster, maskRaster } from "./rasters";
import type { ZipFile } from "./zip";

export interface ExportObject {
  readonly name: string;
  readonly mask: Rle;
  readonly iou: number | null;
  readonly stability: number | null;
}

export interface ExportPicture {
  readonly name: string;
  readonly width: number;
  readonly height: number;
  /** What the browser can show of the picture, at full size. */
  readonly blob: Blob;
  readonly objects: readonly ExportObject[];
}

export interface ExportChoice {
  readonly masks: boolean;
  readonly cutouts: boolean;
  readonly coco: boolean;
}

type Report = (done: number, total: number) => void;

export async function exportFiles(
  pictures: readonly ExportPicture[],
  choice: ExportChoice,
  report: Report,
): Promise<ZipFile[]> {
  const folders = distinct(pictures.map((picture) => stem(picture.name)));
  const total = pictures.reduce((sum, picture) => sum + picture.objects.length, 0);
  const files: ZipFile[] = [];
  let done = 0;
  for (const [i, picture] of pictures.entries()) {
    const folder = pictures.length > 1 ? `${folders[i]}/` : "";
    const names = distinct(picture.objects.map((object) => stem(object.name)));
    const bitmap =
      choice.cutouts && picture.objects.length > 0 ? await createImageBitmap(picture.blob) : null;
    for (const [k, object] of picture.objects.entries()) {
      if (choice.masks) {
        files.push({
          name: `${folder}masks/${names[k]}.png`,
          bytes: await encodePng(maskRaster(object.mask)),
        });
      }
      if (bitmap)
        files.push({ name: `${folder}cutouts/${names[k]}.png`, bytes: await cutout(bitmap, object.mask) });
      report(++done, total);
    }
    bitmap?.close();
  }
  if (choice.coco) files.push(cocoFile(pictures));
  return files;
}

/** The object alone as a PNG with alpha, cropped, at the picture's own resolution. */
export async function cutout(bitmap: ImageBitmap, mask: Rle): Promise<Uint8Array<ArrayBuffer>> {
  const box = cutoutBox(mask);
  const [width, height] = [box[2] - box[0], box[3] - box[1]];
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  if (!context) throw new Error("this browser gives no canvas to cut the object out on");
  context.drawImage(bitmap, box[0], box[1], width, height, 0, 0, width, height);
  const colours = context.getImageData(0, 0, width, height).data;
  return encodePng(cutoutRaster(colours, decodeRle(mask), box));
}

function cocoFile(pictures: readonly ExportPicture[]): ZipFile {
  const document = cocoDocument(
    pictures.map(
      ({ name, width, height, objects }): CocoPicture => ({ fileName: name, width, height, objects }),
    ),
  );
  return { name: "annotations.json", bytes: new TextEncoder().encode(JSON.stringify(document)) };
}

import * as Comlink from "comlink";
import type { Rle } from "../masks/rle";
import { cutout, type ExportChoice, type ExportPicture, exportFiles } from "./files";
import { zip } from "./zip";

const MEDIA_TYPE = { png: "image/png", json: "application/json" } as const;

const exporter = {
  /** A zip of all files, or the file itself where there is but one. */
  async session(
    pictures: readonly ExportPicture[],
    choice: ExportChoice,
    report: (done: number, total: number) => void,
  ): Promise<{ name: string; blob: Blob }> {
    const files = await exportFiles(pictures, choice, report);
    const only = files.length === 1 ? files[0] : undefined;
    if (!only) return { name: "anymask.zip", blob: await zip(files) };
    const type = MEDIA_TYPE[only.name.endsWith(".json") ? "json" : "png"];
    return { name: only.name.split("/").at(-1) ?? only.name, blob: new Blob([only.bytes], { type }) };
  },

  async cutout(picture: Blob, mask: Rle): Promise<Blob> {
    const bitmap = await createImageBitmap(picture);
    try {
      return new Blob([await cutout(bitmap, mask)], { type: "image/png" });
    } finally {
      bitmap.close();
    }
  },
};

export type Exporter = typeof exporter;

Comlink.expose(exporter);

/** Masks and cut-outs as pixels. */

import { type Bits, type BoxXyxy, decodeRle, type Rle, rleBox } from "../masks/rle";
import type { Raster } from "./png";

/** 255 on the mask, 0 elsewhere, at picture size. */
export function maskRaster(mask: Rle): Raster {
  const { data, width, height } = decodeRle(mask);
  return { width, height, channels: 1, data: data.map((bit) => 255 * bit) };
}

/** The box a cut-out is cropped to: the mask's, one pixel for an empty mask. */
export function cutoutBox(mask: Rle): BoxXyxy {
  const [x0, y0, x1, y1] = rleBox(mask);
  return [x0, y0, Math.max(x1, x0 + 1), Math.max(y1, y0 + 1)];
}

/** The picture's pixels inside the mask; elsewhere transparent black, so that nothing shows through.
 *
 * @param colours RGBA of the picture inside `box`.
 */
export function cutoutRaster(colours: Uint8ClampedArray, bits: Bits, box: BoxXyxy): Raster {
  const [width, height] = [box[2] - box[0], box[3] - box[1]];
  const data = new Uint8ClampedArray(colours.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (!bits.data[(y + box[1]) * bits.width + x + box[0]]) continue;
      const at = (y * width + x) * 4;
      data[at] = colours[at] ?? 0;
      data[at + 1] = colours[at + 1] ?? 0;
      data[at + 2] = colours[at + 2] ?? 0;
      data[at + 3] = 255;
    }
  }
  return { width, height, channels: 4, data };
}

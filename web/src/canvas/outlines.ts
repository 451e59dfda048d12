/** Masks as paths in pixels of the picture, no finer than the screen shows. */

import type { Preview } from "../decoder";
import { type Bits, type BoxXyxy, type Rle, rleBox, sampleRle } from "../masks/rle";
import { smoothLoop, traceLoops, withoutCollinear } from "../masks/trace";
import type { DraftMask } from "../state/answers";
import type { Size } from "./view";

/** A mask that can be looked at coarsely. */
export interface Shape {
  /** Stands for the mask: the same object, the same mask. */
  readonly mask: object;
  readonly box: BoxXyxy;
  /** One sample every `step` pixels inside the box. */
  readonly sample: (step: number) => Bits;
}

const MOST_CELLS = 1_500_000;

export function rleShape(mask: Rle, box: BoxXyxy = rleBox(mask)): Shape {
  return { mask, box, sample: (step) => sampleRle(mask, box, step) };
}

export function draftShape(mask: DraftMask): Shape {
  return { mask, box: mask.box, sample: (step) => sampleBits(mask.bits, mask.box, step) };
}

function sampleBits(bits: Bits, box: BoxXyxy, step: number): Bits {
  const width = Math.max(1, Math.ceil((box[2] - box[0]) / step));
  const height = Math.max(1, Math.ceil((box[3] - box[1]) / step));
  const data = new Uint8Array(width * height);
  const first = Math.floor(step / 2);
  for (let row = 0; row < height; row++) {
    const y = Math.min(bits.height - 1, box[1] + row * step + first);
    for (let column = 0; column < width; column++) {
      const x = Math.min(bits.width - 1, box[0] + column * step + first);
      data[row * width + column] = bits.data[y * bits.width + x] ?? 0;
    }
  }
  return { data, width, height };
}

/** Keeps each mask's path for the present zoom. */
export class Outlines {
  private readonly kept = new WeakMap<object, { step: number; path: Path2D }>();

  /** The path of a mask where a pixel of the picture takes `scale` pixels of the screen. */
  of(shape: Shape, scale: number): Path2D {
    const step = stepFor(shape.box, scale);
    const known = this.kept.get(shape.mask);
    if (known?.step === step) return known.path;
    const [x, y] = shape.box;
    const path = tracedPath(shape.sample(step), x, y, step, step, scale * step > 1.5 ? 1 : 0);
    this.kept.set(shape.mask, { step, path });
    return path;
  }

  /** The path of a preview, whose cells are larger than the picture's pixels. */
  ofPreview(preview: Preview, picture: Size): Path2D {
    const known = this.kept.get(preview);
    if (known) return known.path;
    const { widthPx, heightPx, bits } = preview;
    const grid = { data: bits, width: widthPx, height: heightPx };
    const path = tracedPath(grid, 0, 0, picture.width / widthPx, picture.height / heightPx, 2);
    this.kept.set(preview, { step: 0, path });
    return path;
  }
}

/** A power of two of pixels: not finer than the screen, and not too many cells. */
function stepFor([x0, y0, x1, y1]: BoxXyxy, scale: number): number {
  let step = 1;
  while (step * 2 * scale <= 1 || ((x1 - x0) * (y1 - y0)) / (step * step) > MOST_CELLS) step *= 2;
  return step;
}

function tracedPath(
  grid: Bits,
  left: number,
  top: number,
  cellWidth: number,
  cellHeight: number,
  smoothing: number,
): Path2D {
  const path = new Path2D();
  for (const traced of traceLoops(grid)) {
    const loop = withoutCollinear(smoothLoop(traced, smoothing));
    for (let i = 0; i < loop.length; i += 2) {
      const x = left + (loop[i] ?? 0) * cellWidth;
      const y = top + (loop[i + 1] ?? 0) * cellHeight;
      if (i === 0) path.moveTo(x, y);
      else path.lineTo(x, y);
    }
    path.closePath();
  }
  return path;
}

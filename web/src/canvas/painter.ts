/** Draws the picture, the masks, and what the pointer is doing, each on a canvas of its own. */

import type { Preview } from "../decoder";
import type { BoxXyxy } from "../masks/rle";
import type { Stroke } from "../masks/strokes";
import type { DraftMask } from "../state/answers";
import { colourOf } from "../state/colours";
import type { MaskObject, Point } from "../state/document";
import type { FoundMask } from "../state/picture";
import { draftShape, Outlines, rleShape } from "./outlines";
import { levelFor, type Pixels } from "./pixels";
import { type Place, type Size, toStage, type View } from "./view";

/** One canvas and how the picture lies on it. */
export interface Sheet {
  readonly context: CanvasRenderingContext2D;
  readonly view: View;
  /** Pixels of the screen a CSS pixel. */
  readonly ratio: number;
}

/** What the top canvas shows. */
export interface Scene {
  readonly picture: Size;
  readonly colour: string;
  readonly opacity: number;
  readonly mask: DraftMask | null;
  readonly preview: Preview | null;
  readonly pointed: FoundMask | null;
  readonly points: readonly Point[];
  readonly box: BoxXyxy | null;
  readonly stroke: Stroke | null;
  readonly cross: Place | null;
  /** Where the brush is and its radius, in CSS pixels. */
  readonly brush: { readonly place: Place; readonly radiusPx: number } | null;
}

const INSIDE = "#1fa971";
const OUTSIDE = "#e5484d";
const POINT_RADIUS_PX = 6;
const SQUARE_PX = 8;

export class Painter {
  private readonly outlines = new Outlines();

  /** @param chequered whether squares show through where the picture is transparent. */
  paintPicture(sheet: Sheet, pixels: Pixels | null, chequered = false): void {
    const { context, view, ratio } = sheet;
    clear(sheet);
    const level = pixels && levelFor(pixels, view.scale * ratio);
    if (!pixels || !level) return;
    if (chequered) paintSquares(sheet, pixels);
    inPicture(sheet);
    context.imageSmoothingEnabled = view.scale * ratio < 4;
    context.imageSmoothingQuality = "medium";
    context.drawImage(level, 0, 0, pixels.width, pixels.height);
  }

  /** Saved objects and what everything mode found. */
  paintMasks(
    sheet: Sheet,
    objects: readonly MaskObject[],
    found: readonly FoundMask[],
    opacity: number,
  ): void {
    clear(sheet);
    inPicture(sheet);
    for (const { mask, colour } of objects)
      this.paintPath(sheet, this.outline(sheet, mask), colour, opacity, 1.5);
    found.forEach(({ mask, box }, i) => {
      const path = this.outlines.of(rleShape(mask, box), sheet.view.scale * sheet.ratio);
      this.paintPath(sheet, path, colourOf(i + 1), opacity * 0.5, 1);
    });
  }

  paintNothing(sheet: Sheet): void {
    clear(sheet);
  }

  paintScene(sheet: Sheet, scene: Scene): void {
    clear(sheet);
    inPicture(sheet);
    const { colour, opacity, pointed, preview, mask } = scene;
    if (pointed)
      this.paintPath(sheet, this.outline(sheet, pointed.mask), colour, Math.max(opacity, 0.5), 2.5);
    if (preview) this.paintPath(sheet, this.outlines.ofPreview(preview, scene.picture), colour, opacity, 1.5);
    this.paintDraft(sheet, mask, scene);
    onStage(sheet);
    if (scene.box) paintBox(sheet, scene.box);
    for (const point of scene.points) paintPoint(sheet, point);
    if (scene.cross) paintCross(sheet, scene.cross);
    if (scene.brush) paintBrush(sheet.context, scene.brush.place, scene.brush.radiusPx);
  }

  /** A mask on its picture, both small. */
  paintThumbnail(
    context: CanvasRenderingContext2D,
    picture: Size,
    pixels: Pixels | null,
    mask: DraftMask,
    colour: string,
  ): void {
    const { width, height } = context.canvas;
    const scale = Math.min(width / picture.width, height / picture.height);
    const left = (width - picture.width * scale) / 2;
    const top = (height - picture.height * scale) / 2;
    const sheet: Sheet = { context, view: { scale, left, top }, ratio: 1 };
    this.paintPicture(sheet, pixels);
    inPicture(sheet);
    this.paintPath(sheet, new Outlines().of(draftShape(mask), scale), colour, 0.6, 1.5);
  }

  /** The draft with the stroke that is being drawn. */
  private paintDraft(sheet: Sheet, mask: DraftMask | null, { colour, opacity, stroke }: Scene): void {
    const path =
      mask && mask.area > 0 ? this.outlines.of(draftShape(mask), sheet.view.scale * sheet.ratio) : null;
    if (!stroke) {
      if (path) this.paintPath(sheet, path, colour, opacity, 2);
      return;
    }
    const aside = new OffscreenCanvas(sheet.context.canvas.width, sheet.context.canvas.height);
    const context = aside.getContext("2d");
    if (!context) return;
    context.setTransform(sheet.context.getTransform());
    context.fillStyle = context.strokeStyle = colour;
    if (path) context.fill(path, "evenodd");
    context.globalCompositeOperation = stroke.erase ? "destination-out" : "source-over";
    strokeLine(context, stroke);
    onStage(sheet);
    sheet.context.globalAlpha = opacity;
    sheet.context.drawImage(aside, 0, 0, aside.width / sheet.ratio, aside.height / sheet.ratio);
    sheet.context.globalAlpha = 1;
  }

  private outline(sheet: Sheet, mask: MaskObject["mask"]): Path2D {
    return this.outlines.of(this.shapeOf(mask), sheet.view.scale * sheet.ratio);
  }

  private readonly shapes = new WeakMap<object, ReturnType<typeof rleShape>>();

  private shapeOf(mask: MaskObject["mask"]) {
    const shape = this.shapes.get(mask) ?? rleShape(mask);
    this.shapes.set(mask, shape);
    return shape;
  }

  private paintPath(
    { context, view }: Sheet,
    path: Path2D,
    colour: string,
    opacity: number,
    linePx: number,
  ): void {
    context.fillStyle = context.strokeStyle = colour;
    context.globalAlpha = opacity;
    context.fill(path, "evenodd");
    context.globalAlpha = Math.min(1, opacity + 0.45);
    context.lineWidth = linePx / view.scale;
    context.lineJoin = "round";
    context.stroke(path);
    context.globalAlpha = 1;
  }
}

function clear({ context }: Sheet): void {
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, context.canvas.width, context.canvas.height);
}

/** Coordinates are pixels of the picture from here on. */
function inPicture({ context, view, ratio }: Sheet): void {
  const scale = view.scale * ratio;
  context.setTransform(scale, 0, 0, scale, view.left * ratio, view.top * ratio);
}

/** Coordinates are CSS pixels of the stage from here on. */
function onStage({ context, ratio }: Sheet): void {
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
}

function paintSquares(sheet: Sheet, { width, height }: Size): void {
  const { context, view } = sheet;
  const tile = new OffscreenCanvas(2 * SQUARE_PX, 2 * SQUARE_PX);
  const square = tile.getContext("2d");
  if (!square) return;
  square.fillStyle = "#fff";
  square.fillRect(0, 0, tile.width, tile.height);
  square.fillStyle = "#c4c8cf";
  square.fillRect(0, 0, SQUARE_PX, SQUARE_PX);
  square.fillRect(SQUARE_PX, SQUARE_PX, SQUARE_PX, SQUARE_PX);
  onStage(sheet);
  context.fillStyle = context.createPattern(tile, "repeat") ?? "#fff";
  context.fillRect(view.left, view.top, width * view.scale, height * view.scale);
}

function strokeLine(context: OffscreenCanvasRenderingContext2D, { path, radiusPx }: Stroke): void {
  context.lineWidth = 2 * radiusPx;
  context.lineCap = context.lineJoin = "round";
  context.beginPath();
  for (let i = 0; i + 1 < path.length; i += 2) context.lineTo(path[i] ?? 0, path[i + 1] ?? 0);
  if (path.length === 2) context.lineTo((path[0] ?? 0) + 0.01, path[1] ?? 0);
  context.stroke();
}

/** Twice, dark beneath light, so that it shows on everything. */
function twice(context: CanvasRenderingContext2D, linePx: number, draw: () => void): void {
  for (const [style, width] of [
    ["rgb(0 0 0 / 70%)", linePx + 2],
    ["#fff", linePx],
  ] as const) {
    context.strokeStyle = style;
    context.lineWidth = width;
    draw();
  }
}

function paintBox({ context, view }: Sheet, [x0, y0, x1, y1]: BoxXyxy): void {
  const left = view.left + x0 * view.scale;
  const top = view.top + y0 * view.scale;
  twice(context, 1.5, () => context.strokeRect(left, top, (x1 - x0) * view.scale, (y1 - y0) * view.scale));
}

/** A disc with a plus or a minus: told apart without colours, too. */
function paintPoint({ context, view }: Sheet, point: Point): void {
  const { x, y } = toStage(view, point);
  context.beginPath();
  context.arc(x, y, POINT_RADIUS_PX, 0, 2 * Math.PI);
  context.fillStyle = point.label === 1 ? INSIDE : OUTSIDE;
  context.fill();
  twice(context, 1.5, () => context.stroke());
  context.beginPath();
  context.moveTo(x - 3, y);
  context.lineTo(x + 3, y);
  if (point.label === 1) {
    context.moveTo(x, y - 3);
    context.lineTo(x, y + 3);
  }
  context.strokeStyle = "#fff";
  context.lineWidth = 1.5;
  context.stroke();
}

function paintCross({ context, view }: Sheet, pixel: Place): void {
  const { x, y } = toStage(view, pixel);
  context.beginPath();
  for (const [dx, dy] of [
    [1, 0],
    [-1, 0],
    [0, 1],
    [0, -1],
  ] as const) {
    context.moveTo(x + 4 * dx, y + 4 * dy);
    context.lineTo(x + 14 * dx, y + 14 * dy);
  }
  twice(context, 2, () => context.stroke());
}

function paintBrush(context: CanvasRenderingContext2D, { x, y }: Place, radiusPx: number): void {
  context.beginPath();
  context.arc(x, y, radiusPx, 0, 2 * Math.PI);
  twice(context, 1, () => context.stroke());
}

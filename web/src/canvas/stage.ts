/** The stage's own state: how the picture lies in it, and what the pointer is doing. */

import { batch, signal } from "@preact/signals";
import type { BoxXyxy } from "../masks/rle";
import type { Stroke } from "../masks/strokes";
import { fitted, type Place, panned, type Size, toStage, type View, zoomed } from "./view";

const ZOOM_STEP = 1.4;

export class Stage {
  readonly size = signal<Size>({ width: 1, height: 1 });
  /** Of the picture in pixels; null while there is none. */
  readonly picture = signal<Size | null>(null);
  readonly view = signal<View>({ scale: 1, left: 0, top: 0 });
  /** A box or a stroke that is being drawn. */
  readonly box = signal<BoxXyxy | null>(null);
  readonly stroke = signal<Stroke | null>(null);
  /** Where the pointer is, in CSS pixels of the stage; null while it is elsewhere. */
  readonly pointer = signal<Place | null>(null);
  /** The pixel that the arrow keys have moved the cross to. */
  readonly cross = signal<Place | null>(null);
  readonly panning = signal(false);
  element: HTMLElement | null = null;
  /** Whether the picture is shown whole whatever the stage's size becomes. */
  private whole = true;

  resize(size: Size): void {
    batch(() => {
      this.size.value = size;
      if (this.whole) this.fit();
    });
  }

  /** Shows another picture, whole. */
  show(picture: Size | null): void {
    const before = this.picture.peek();
    if (before?.width === picture?.width && before?.height === picture?.height) return;
    batch(() => {
      this.picture.value = picture;
      this.clear();
      this.fit();
    });
  }

  /** Forgets what was being drawn. */
  clear(): void {
    batch(() => {
      this.box.value = null;
      this.stroke.value = null;
      this.cross.value = null;
    });
  }

  fit(): void {
    this.whole = true;
    const picture = this.picture.peek();
    if (picture) this.view.value = fitted(picture, this.size.peek());
  }

  zoom(factor: number, place: Place = this.middle()): void {
    const picture = this.picture.peek();
    if (!picture) return;
    this.whole = false;
    this.view.value = zoomed(this.view.peek(), factor, place, picture, this.size.peek());
  }

  zoomIn(): void {
    this.zoom(ZOOM_STEP);
  }

  zoomOut(): void {
    this.zoom(1 / ZOOM_STEP);
  }

  pan(dx: number, dy: number): void {
    const picture = this.picture.peek();
    if (!picture) return;
    this.whole = false;
    this.view.value = panned(this.view.peek(), dx, dy, picture, this.size.peek());
  }

  /** A pixel's middle in the window. */
  toClient(pixel: Place): Place {
    const { x, y } = toStage(this.view.peek(), pixel);
    const { left, top } = this.corner();
    return { x: x + left, y: y + top };
  }

  /** A place of the window in the stage. */
  fromClient({ clientX, clientY }: { clientX: number; clientY: number }): Place {
    const { left, top } = this.corner();
    return { x: clientX - left, y: clientY - top };
  }

  private corner(): { left: number; top: number } {
    return this.element?.getBoundingClientRect() ?? { left: 0, top: 0 };
  }

  private middle(): Place {
    const { width, height } = this.size.peek();
    return { x: width / 2, y: height / 2 };
  }
}

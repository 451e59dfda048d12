/** Mouse, pen and fingers on the stage, turned into prompts, strokes and movements of the view. */

import { batch } from "@preact/signals";
import { maskAt } from "../state/everything";
import type { Studio } from "../state/studio";
import { spaceHeld } from "./keys";
import type { Stage } from "./stage";
import { boxBetween, nearestPixel, type Place, pixelAt, toPicture } from "./view";

/** How far a press may wander and still be a click, in CSS pixels. */
const CLICK_PX = { mouse: 4, touch: 10 };
const LEAST_BOX_PX = 3;
const WHEEL_ZOOM = 0.0016;
const PINCH_WHEEL_ZOOM = 0.01;
const LINE_PX = 16;

type Gesture =
  | { readonly kind: "press"; readonly start: Place; readonly subtract: boolean; readonly slackPx: number }
  | { readonly kind: "pan"; readonly last: Place }
  | { readonly kind: "pinch"; readonly middle: Place; readonly distance: number }
  | { readonly kind: "box"; readonly start: Place; readonly subtract: boolean }
  | { readonly kind: "stroke" };

export class Gestures {
  private readonly fingers = new Map<number, Place>();
  private gesture: Gesture | null = null;

  constructor(
    private readonly studio: Studio,
    private readonly stage: Stage,
  ) {}

  /** Listens on the element until the returned function is called. */
  attach(element: HTMLElement): () => void {
    const listeners = new AbortController();
    const { signal } = listeners;
    element.addEventListener("pointerdown", (event) => this.down(element, event), { signal });
    element.addEventListener("pointermove", (event) => this.move(event), { signal });
    element.addEventListener("pointerup", (event) => this.up(event), { signal });
    element.addEventListener("pointercancel", (event) => this.cancel(event), { signal });
    element.addEventListener("pointerleave", () => this.leave(), { signal });
    element.addEventListener("wheel", (event) => this.wheel(event), { signal, passive: false });
    element.addEventListener("contextmenu", (event) => event.preventDefault(), { signal });
    return () => listeners.abort();
  }

  private down(element: HTMLElement, event: PointerEvent): void {
    if (!this.stage.picture.value) return;
    element.focus({ preventScroll: true });
    element.setPointerCapture(event.pointerId);
    const place = this.stage.fromClient(event);
    this.fingers.set(event.pointerId, place);
    this.stage.cross.value = null;
    if (this.fingers.size === 2) this.begin(this.pinch());
    else if (this.fingers.size === 1) this.begin(this.first(event, place));
  }

  /** What a single pointer begins. */
  private first(event: PointerEvent, place: Place): Gesture | null {
    if (event.button === 1 || spaceHeld()) {
      event.preventDefault();
      return { kind: "pan", last: place };
    }
    if (event.button !== 0 && event.button !== 2) return null;
    const subtract = event.button === 2 || event.shiftKey || !this.studio.settings.adding.value;
    const tool = this.studio.settings.tool.value;
    if (event.button === 0 && (tool === "brush" || tool === "eraser")) return this.beginStroke(place);
    if (event.button === 0 && tool === "box") return { kind: "box", start: place, subtract };
    const slackPx = event.pointerType === "touch" ? CLICK_PX.touch : CLICK_PX.mouse;
    return { kind: "press", start: place, subtract, slackPx };
  }

  private begin(gesture: Gesture | null): void {
    if (this.gesture && gesture?.kind === "pinch") this.drop();
    this.gesture = gesture;
    this.stage.panning.value = gesture?.kind === "pan";
  }

  private move(event: PointerEvent): void {
    const place = this.stage.fromClient(event);
    if (event.pointerType !== "touch") this.stage.pointer.value = place;
    if (this.fingers.has(event.pointerId)) this.fingers.set(event.pointerId, place);
    switch (this.gesture?.kind) {
      case "press":
        if (distance(place, this.gesture.start) > this.gesture.slackPx)
          this.begin({ kind: "pan", last: this.gesture.start });
        break;
      case "pan":
        this.stage.pan(place.x - this.gesture.last.x, place.y - this.gesture.last.y);
        this.gesture = { kind: "pan", last: place };
        break;
      case "pinch":
        this.movePinch(this.gesture);
        break;
      case "box":
        this.moveBox(this.gesture.start, place);
        break;
      case "stroke":
        this.extendStroke(event);
        break;
      default:
        this.hover(place);
    }
  }

  private up(event: PointerEvent): void {
    const gesture = this.gesture;
    const place = this.stage.fromClient(event);
    this.fingers.delete(event.pointerId);
    this.gesture = null;
    this.stage.panning.value = false;
    if (gesture?.kind === "press") this.click(gesture.start, gesture.subtract);
    else if (gesture?.kind === "box") this.endBox(gesture, place);
    else if (gesture?.kind === "stroke") this.endStroke();
  }

  private cancel(event: PointerEvent): void {
    this.fingers.delete(event.pointerId);
    this.drop();
  }

  /** Gives up what was being drawn. */
  private drop(): void {
    this.gesture = null;
    batch(() => {
      this.stage.clear();
      this.stage.panning.value = false;
      void this.studio.tryBox(null);
    });
  }

  private leave(): void {
    if (this.gesture) return;
    batch(() => {
      this.stage.pointer.value = null;
      this.studio.leave();
    });
  }

  private hover(place: Place): void {
    const { studio } = this;
    const pixel = this.pixel(place);
    const tool = studio.settings.tool.value;
    if (tool === "everything")
      studio.pointed.value = pixel ? maskAt(studio.found.value, pixel.x, pixel.y) : -1;
    else if (tool === "click" || tool === "multi") void studio.hover(pixel);
  }

  private click(place: Place, subtract: boolean): void {
    const { studio } = this;
    const pixel = this.pixel(place);
    if (!pixel) return;
    const tool = studio.settings.tool.value;
    if (tool === "everything") {
      const mask = studio.found.value[maskAt(studio.found.value, pixel.x, pixel.y)];
      if (mask) studio.keep([mask]);
    } else if (tool !== "brush" && tool !== "eraser") {
      void studio.click({ ...pixel, label: subtract ? 0 : 1 });
    }
  }

  private moveBox(start: Place, place: Place): void {
    const picture = this.stage.picture.value;
    if (!picture || distance(start, place) < LEAST_BOX_PX) return;
    const box = boxBetween(this.inPicture(start), this.inPicture(place), picture);
    this.stage.box.value = box;
    void this.studio.tryBox(box);
  }

  /** A box without extent is a click, which refines the box that is there. */
  private endBox(gesture: { start: Place; subtract: boolean }, place: Place): void {
    const picture = this.stage.picture.value;
    const box = picture && boxBetween(this.inPicture(gesture.start), this.inPicture(place), picture);
    const dragged = distance(gesture.start, place) >= LEAST_BOX_PX;
    batch(() => {
      this.stage.box.value = null;
      void this.studio.tryBox(null);
      if (dragged && box) void this.studio.prompt({ type: "box", box });
    });
    if (dragged) return;
    if (this.studio.draft.value.box) this.click(gesture.start, gesture.subtract);
    else this.studio.notices.tell("Drag a box around the object");
  }

  private beginStroke(place: Place): Gesture {
    const { x, y } = this.inPicture(place);
    const { brushPx, tool } = this.studio.settings;
    const radiusPx = brushPx.value / 2 / this.stage.view.value.scale;
    this.stage.stroke.value = { erase: tool.value === "eraser", radiusPx, path: [x, y] };
    return { kind: "stroke" };
  }

  private extendStroke(event: PointerEvent): void {
    const stroke = this.stage.stroke.value;
    if (!stroke) return;
    const events = event.getCoalescedEvents?.() ?? [];
    const places = (events.length ? events : [event]).map((each) =>
      this.inPicture(this.stage.fromClient(each)),
    );
    this.stage.stroke.value = { ...stroke, path: [...stroke.path, ...places.flatMap(({ x, y }) => [x, y])] };
  }

  private endStroke(): void {
    const stroke = this.stage.stroke.value;
    batch(() => {
      this.stage.stroke.value = null;
      if (stroke) this.studio.dispatch({ type: "stroke", stroke });
    });
  }

  private pinch(): Gesture {
    const [a, b] = [...this.fingers.values()] as [Place, Place];
    return { kind: "pinch", middle: { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 }, distance: distance(a, b) };
  }

  private movePinch(before: { middle: Place; distance: number }): void {
    if (this.fingers.size < 2) return;
    const now = this.pinch() as typeof before & { kind: "pinch" };
    this.stage.pan(now.middle.x - before.middle.x, now.middle.y - before.middle.y);
    if (before.distance > 0) this.stage.zoom(now.distance / before.distance, now.middle);
    this.gesture = now;
  }

  private wheel(event: WheelEvent): void {
    event.preventDefault();
    const pixels = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? event.deltaY * LINE_PX : event.deltaY;
    const speed = event.ctrlKey ? PINCH_WHEEL_ZOOM : WHEEL_ZOOM;
    this.stage.zoom(Math.exp(-pixels * speed), this.stage.fromClient(event));
  }

  private inPicture(place: Place): Place {
    return toPicture(this.stage.view.value, place);
  }

  private pixel(place: Place): Place | null {
    const picture = this.stage.picture.value;
    return picture && pixelAt(this.inPicture(place), picture);
  }
}

/** The pixel in the middle of what is seen, where the cross begins. */
export function middlePixel(stage: Stage): Place | null {
  const picture = stage.picture.value;
  const { width, height } = stage.size.value;
  return picture && nearestPixel(toPicture(stage.view.value, { x: width / 2, y: height / 2 }), picture);
}

const distance = (a: Place, b: Place) => Math.hypot(a.x - b.x, a.y - b.y);

/** Keyboard: shortcuts of the whole page, and the cross that stands in for a pointer. */

import type { Tool } from "../state/settings";
import type { Studio } from "../state/studio";
import { middlePixel } from "./gestures";
import type { Stage } from "./stage";
import { nearestPixel, type Place } from "./view";

/** One line of the help sheet, and what it does. */
export interface Shortcut {
  readonly keys: readonly string[];
  readonly does: string;
}

/** What the page's views can be asked for by keys. */
export interface Requests {
  readonly openPicture: () => void;
  readonly cutOut: () => void;
  readonly help: () => void;
}

export const SHORTCUTS: readonly { readonly title: string; readonly lines: readonly Shortcut[] }[] = [
  {
    title: "Tools",
    lines: [
      { keys: ["H"], does: "Hover & Click" },
      { keys: ["B"], does: "Box" },
      { keys: ["E"], does: "Everything" },
      { keys: ["M"], does: "Multi-mask" },
      { keys: ["P"], does: "Brush" },
      { keys: ["X"], does: "Eraser" },
      { keys: ["A"], does: "Add or remove area" },
      { keys: ["[", "]"], does: "Smaller or larger brush" },
    ],
  },
  {
    title: "Work",
    lines: [
      { keys: ["Ctrl Z"], does: "Undo" },
      { keys: ["Ctrl Shift Z"], does: "Redo" },
      { keys: ["Esc"], does: "Reset" },
      { keys: ["Enter"], does: "Save object" },
      { keys: ["Delete"], does: "Delete object" },
      { keys: ["C"], does: "Cut out object" },
      { keys: ["V"], does: "Show or hide masks" },
    ],
  },
  {
    title: "View",
    lines: [
      { keys: ["+", "−"], does: "Zoom in or out (the wheel does, too)" },
      { keys: ["0"], does: "Fit" },
      { keys: ["Space drag"], does: "Move the picture" },
      { keys: [",", "."], does: "Previous or next picture" },
      { keys: ["O"], does: "Open picture" },
      { keys: ["?"], does: "Shortcuts" },
    ],
  },
  {
    title: "Without a pointer, on the picture",
    lines: [
      { keys: ["← ↑ → ↓"], does: "Move the cross (with Shift: far)" },
      { keys: ["Space"], does: "Click there" },
      { keys: ["Shift Space"], does: "Take away there" },
    ],
  },
];

const TOOLS: Record<string, Tool> = {
  h: "click",
  b: "box",
  e: "everything",
  m: "multi",
  p: "brush",
  x: "eraser",
};
const BRUSH_STEP = 1.25;
const CROSS_STEP_PX = 4;
const CROSS_LEAP_PX = 40;
const ARROWS: Record<string, readonly [number, number]> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

let space = false;

/** Whether the space bar is down to move the picture. */
export const spaceHeld = () => space;

/** Listens to the keyboard. */
export function listenToKeys(studio: Studio, stage: Stage, requests: Requests): void {
  const onStage = () => document.activeElement === stage.element;
  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || isTyping(event.target) || document.querySelector("dialog[open]")) return;
    const handled =
      (event.key === " " && pressSpace(event, studio, stage, onStage())) ||
      (onStage() && moveCross(event, stage)) ||
      (event.ctrlKey || event.metaKey ? withControl(event, studio) : plain(event, studio, stage, requests));
    if (handled) event.preventDefault();
  });
  addEventListener("keyup", (event) => {
    if (event.key !== " " || !space) return;
    space = false;
    event.preventDefault();
  });
  addEventListener("blur", () => {
    space = false;
  });
}

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLInputElement) return target.type === "text";
  return target.isContentEditable || target.matches("textarea, select");
}

/** At the cross a click; over the picture the beginning of a movement; elsewhere the browser's own. */
function pressSpace(event: KeyboardEvent, studio: Studio, stage: Stage, onStage: boolean): boolean {
  const cross = stage.cross.value;
  if (onStage && cross) {
    if (!event.repeat) clickCross(cross, event.shiftKey, studio);
    return true;
  }
  const byKeyboard = document.activeElement?.matches(":focus-visible") && !onStage;
  if (!stage.pointer.value || byKeyboard) return onStage;
  space = true;
  return true;
}

function clickCross(cross: Place, subtract: boolean, studio: Studio): void {
  const label = subtract || !studio.settings.adding.value ? 0 : 1;
  void studio.click({ ...cross, label });
}

function moveCross(event: KeyboardEvent, stage: Stage): boolean {
  const arrow = ARROWS[event.key];
  const picture = stage.picture.value;
  const from = stage.cross.value ?? middlePixel(stage);
  if (!arrow || !picture || !from) return false;
  const reach = event.shiftKey ? CROSS_LEAP_PX : CROSS_STEP_PX;
  const step = Math.max(1, Math.round(reach / stage.view.value.scale));
  stage.cross.value = nearestPixel({ x: from.x + arrow[0] * step, y: from.y + arrow[1] * step }, picture);
  return true;
}

function withControl(event: KeyboardEvent, studio: Studio): boolean {
  const key = event.key.toLowerCase();
  if (key === "z" && !event.shiftKey) studio.undo();
  else if ((key === "z" && event.shiftKey) || key === "y") studio.redo();
  else return false;
  return true;
}

function plain(event: KeyboardEvent, studio: Studio, stage: Stage, requests: Requests): boolean {
  if (event.altKey) return false;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const { settings } = studio;
  const tool = TOOLS[key];
  if (tool) {
    settings.tool.value = tool;
    return true;
  }
  const onControl = document.activeElement?.matches("button, input, a, summary") ?? false;
  const actions: Record<string, () => void> = {
    a: () => {
      settings.adding.value = !settings.adding.value;
    },
    v: () => {
      settings.masksVisible.value = !settings.masksVisible.value;
    },
    "[": () => resizeBrush(studio, 1 / BRUSH_STEP),
    "]": () => resizeBrush(studio, BRUSH_STEP),
    "+": () => stage.zoomIn(),
    "=": () => stage.zoomIn(),
    "-": () => stage.zoomOut(),
    "0": () => stage.fit(),
    ",": () => studio.step(-1),
    ".": () => studio.step(1),
    o: requests.openPicture,
    c: requests.cutOut,
    "?": requests.help,
    Escape: () => studio.reset(),
    Delete: () => studio.deleteEdited(),
    Backspace: () => studio.deleteEdited(),
    ...(onControl ? {} : { Enter: () => void studio.save() }),
  };
  actions[key]?.();
  return key in actions;
}

function resizeBrush({ settings }: Studio, factor: number): void {
  settings.brushPx.value = Math.round(Math.min(400, Math.max(2, settings.brushPx.value * factor)));
}

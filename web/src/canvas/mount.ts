/** Brings the stage to life: sizes its canvases, draws on them when something changes, listens. */

import { effect } from "@preact/signals";
import type { App } from "../app";
import { colourOf } from "../state/colours";
import { objectById } from "../state/document";
import { Gestures } from "./gestures";
import type { Scene, Sheet } from "./painter";

/** @returns what undoes it. */
export function mountStage(element: HTMLElement, app: App): () => void {
  const { stage, studio } = app;
  stage.element = element;
  const canvases = [...element.querySelectorAll("canvas")];
  const observer = new ResizeObserver(() => resize(element, canvases, app));
  observer.observe(element);
  const ends = [
    new Gestures(studio, stage).attach(element),
    drawing(canvases[0], app, picturePaint),
    drawing(canvases[1], app, masksPaint),
    drawing(canvases[2], app, scenePaint),
    () => observer.disconnect(),
  ];
  return () => {
    for (const end of ends) end();
    stage.element = null;
  };
}

function resize(element: HTMLElement, canvases: readonly HTMLCanvasElement[], { stage }: App): void {
  const { clientWidth: width, clientHeight: height } = element;
  for (const canvas of canvases) {
    canvas.width = Math.max(1, Math.round(width * devicePixelRatio));
    canvas.height = Math.max(1, Math.round(height * devicePixelRatio));
  }
  stage.resize({ width: Math.max(1, width), height: Math.max(1, height) });
}

/** What is to be painted, gathered now; the function returned paints it. */
type Paint = (app: App) => (sheet: Sheet) => void;

/** Paints with the next frame whenever something that `paint` looks at has changed. */
function drawing(canvas: HTMLCanvasElement | undefined, app: App, paint: Paint): () => void {
  const context = canvas?.getContext("2d");
  if (!context) return () => undefined;
  let frame = 0;
  const stop = effect(() => {
    const draw = paint(app);
    app.stage.size.value;
    const view = app.stage.view.value;
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(() => draw({ context, view, ratio: devicePixelRatio }));
  });
  return () => {
    stop();
    cancelAnimationFrame(frame);
  };
}

const picturePaint: Paint = ({ painter, pixels, studio }) => {
  const shown = pixels.value;
  const chequered = studio.edits.shown.value !== null;
  return (sheet) => painter.paintPicture(sheet, shown, chequered);
};

const masksPaint: Paint = ({ painter, studio }) => {
  const { opacity, masksVisible, tool } = studio.settings;
  const { objects, draft } = studio.document.value;
  const plain = masksVisible.value && studio.edits.shown.value === null; // they would veil the edit
  const shown = plain ? objects.filter(({ id, visible }) => visible && id !== draft.objectId) : [];
  const found = masksVisible.value && tool.value === "everything" ? studio.found.value : [];
  const strength = opacity.value;
  return (sheet) => painter.paintMasks(sheet, shown, found, strength);
};

const scenePaint: Paint = ({ painter, studio, stage }) => {
  const scene = sceneOf(studio, stage);
  return (sheet) => (scene ? painter.paintScene(sheet, scene) : painter.paintNothing(sheet));
};

function sceneOf(studio: App["studio"], stage: App["stage"]): Scene | null {
  const picture = stage.picture.value;
  if (!picture || !studio.current.value) return null;
  const { settings, draft, document } = studio;
  const tool = settings.tool.value;
  const visible = settings.masksVisible.value;
  const brushing = tool === "brush" || tool === "eraser";
  const place = stage.pointer.value;
  const edited = objectById(document.value, draft.value.objectId);
  return {
    picture,
    colour: edited?.colour ?? colourOf(document.value.nextNumber),
    opacity: settings.opacity.value,
    mask: visible ? (studio.trial.value ?? studio.mask.value) : null,
    preview: studio.preview.value,
    pointed: tool === "everything" ? (studio.found.value[studio.pointed.value] ?? null) : null,
    points: visible ? draft.value.points : [],
    box: stage.box.value ?? (visible ? draft.value.box : null),
    stroke: stage.stroke.value,
    cross: stage.cross.value,
    brush: brushing && place ? { place, radiusPx: settings.brushPx.value / 2 } : null,
  };
}

/** How the picture lies in the stage: scale and offset, in CSS pixels. */

export interface View {
  /** CSS pixels a pixel of the picture. */
  readonly scale: number;
  /** Where the picture's upper left corner is in the stage. */
  readonly left: number;
  readonly top: number;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Place {
  readonly x: number;
  readonly y: number;
}

const MARGIN_PX = 20;
const LARGEST_SCALE = 40;
const LEAST_SHOWN_PX = 48;

/** The whole picture, as large as fits; small ones are enlarged up to eight times. */
export function fitted(picture: Size, stage: Size): View {
  const room = (side: number) => Math.max(1, side - 2 * MARGIN_PX);
  const scale = Math.min(8, room(stage.width) / picture.width, room(stage.height) / picture.height);
  return {
    scale,
    left: (stage.width - picture.width * scale) / 2,
    top: (stage.height - picture.height * scale) / 2,
  };
}

/** The view scaled by `factor` with the stage's `place` staying where it is. */
export function zoomed(view: View, factor: number, place: Place, picture: Size, stage: Size): View {
  const least = Math.min(0.05, fitted(picture, stage).scale / 2);
  const scale = Math.min(LARGEST_SCALE, Math.max(least, view.scale * factor));
  const change = scale / view.scale;
  return kept(
    {
      scale,
      left: place.x - (place.x - view.left) * change,
      top: place.y - (place.y - view.top) * change,
    },
    picture,
    stage,
  );
}

export const panned = (view: View, dx: number, dy: number, picture: Size, stage: Size): View =>
  kept({ ...view, left: view.left + dx, top: view.top + dy }, picture, stage);

/** Never so far away that nothing of the picture is in sight. */
function kept(view: View, picture: Size, stage: Size): View {
  const within = (offset: number, side: number, room: number) =>
    Math.min(room - LEAST_SHOWN_PX, Math.max(LEAST_SHOWN_PX - side, offset));
  return {
    scale: view.scale,
    left: within(view.left, picture.width * view.scale, stage.width),
    top: within(view.top, picture.height * view.scale, stage.height),
  };
}

/** A place of the stage in the picture, continuous: (0, 0) is the corner of the first pixel. */
export const toPicture = (view: View, { x, y }: Place): Place => ({
  x: (x - view.left) / view.scale,
  y: (y - view.top) / view.scale,
});

/** The middle of a picture's pixel in the stage. */
export const toStage = (view: View, { x, y }: Place): Place => ({
  x: view.left + (x + 0.5) * view.scale,
  y: view.top + (y + 0.5) * view.scale,
});

/** The pixel at a continuous place; null beside the picture. */
export function pixelAt({ x, y }: Place, picture: Size): Place | null {
  if (x < 0 || y < 0 || x >= picture.width || y >= picture.height) return null;
  return { x: Math.floor(x), y: Math.floor(y) };
}

/** The pixel nearest to a continuous place. */
export const nearestPixel = ({ x, y }: Place, picture: Size): Place => ({
  x: Math.min(picture.width - 1, Math.max(0, Math.floor(x))),
  y: Math.min(picture.height - 1, Math.max(0, Math.floor(y))),
});

/** The box between two continuous places in whole pixels of the picture; null where it is empty. */
export function boxBetween(
  a: Place,
  b: Place,
  picture: Size,
): readonly [number, number, number, number] | null {
  const box = [
    Math.max(0, Math.floor(Math.min(a.x, b.x))),
    Math.max(0, Math.floor(Math.min(a.y, b.y))),
    Math.min(picture.width, Math.ceil(Math.max(a.x, b.x))),
    Math.min(picture.height, Math.ceil(Math.max(a.y, b.y))),
  ] as const;
  return box[2] - box[0] >= 1 && box[3] - box[1] >= 1 ? box : null;
}

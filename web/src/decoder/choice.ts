/** Which of the decoder's answers a prompt gets: ranking.py, corrections.py and boxes.py of inference/. */

/** Logits by rows, of which only the upper left part is the picture. */
export interface Grid {
  readonly rows: number;
  readonly columns: number;
  /** Numbers from one row to the next. */
  readonly stride: number;
}

/** A place in cells of a grid. */
export interface Cell {
  readonly x: number;
  readonly y: number;
}

export interface Answered {
  readonly logits: Float32Array;
  readonly iou: number;
}

const LARGE_SHARE = 0.3;
const PER_SHARE = 0.5;
const PER_BORDER = 0.4;
const PER_SHALLOWNESS = 0.5;
const PER_INSTABILITY = 0.8;

/** Predicted IoU less what speaks against a mask; only the order of candidates means anything. */
export function plausibility({ logits, iou }: Answered, grid: Grid, foreground: readonly Cell[]): number {
  const { area, border, inner, outer } = counted(logits, grid);
  const edge = 2 * grid.columns + 2 * Math.max(0, grid.rows - 2);
  const tooLarge = Math.max(0, area / (grid.rows * grid.columns) - LARGE_SHARE);
  return (
    iou -
    PER_SHARE * tooLarge -
    PER_BORDER * (border / edge) -
    PER_SHALLOWNESS * (1 - depth(logits, grid, foreground)) -
    PER_INSTABILITY * (1 - inner / Math.max(1, outer))
  );
}

/** Numbers of the candidates, the most plausible first. */
export function byPlausibility(
  answers: readonly Answered[],
  grid: Grid,
  foreground: readonly Cell[],
): number[] {
  const ranks = answers.map((one) => plausibility(one, grid, foreground));
  return ranks.map((_, i) => i).sort((a, b) => (ranks[b] as number) - (ranks[a] as number) || a - b);
}

/** How many clicks a prompt has that `mostCorrect` answers. */
export const CLICKS = 3;
const FOR_SINGLE = 0.4;
const PER_DEPTH = 1.5;
const PER_EDGE = 1;
const PER_GROWTH = 0.5;

/** The answer that corrects the former mask best; the single mask comes first. */
export function mostCorrect(
  answers: readonly Answered[],
  grid: Grid,
  first: readonly Cell[],
  former: Float32Array,
): Answered {
  const before = counted(former, grid).area;
  const edge = 2 * grid.columns + 2 * Math.max(0, grid.rows - 2);
  const scores = answers.map(({ logits, iou }, i) => {
    const { area, border } = counted(logits, grid);
    const growth = Math.max(0, Math.log((area + 1) / (before + 1)));
    const plausible = iou + PER_DEPTH * depth(logits, grid, first) - PER_EDGE * (border / edge);
    return plausible - PER_GROWTH * growth + (i === 0 ? FOR_SINGLE : 0);
  });
  return answers[scores.indexOf(Math.max(...scores))] as Answered;
}

function counted(logits: Float32Array, { rows, columns, stride }: Grid) {
  let [area, border, inner, outer] = [0, 0, 0, 0];
  for (let y = 0; y < rows; y++) {
    const outermost = y === 0 || y === rows - 1;
    for (let x = 0; x < columns; x++) {
      const value = logits[y * stride + x] as number;
      if (value > -1) outer++;
      if (value > 1) inner++;
      if (value > 0) {
        area++;
        if (outermost || x === 0 || x === columns - 1) border++;
      }
    }
  }
  return { area, border, inner, outer };
}

/** How deep inside the mask the places lie, beside its deepest place: 0 to 1. */
export function depth(logits: Float32Array, grid: Grid, places: readonly Cell[]): number {
  if (places.length === 0) return 1;
  const distances = innerDistances(logits, grid);
  let deepest = 1;
  for (const distance of distances) if (distance > deepest) deepest = distance;
  const at = ({ x, y }: Cell) =>
    distances[within(y, grid.rows) * grid.columns + within(x, grid.columns)] as number;
  return places.reduce((sum, place) => sum + at(place), 0) / places.length / deepest;
}

const within = (place: number, length: number) => Math.min(Math.max(Math.floor(place), 0), length - 1);

/** Steps from each cell of the mask to the nearest one outside of it; beyond the picture is outside. */
export function innerDistances(logits: Float32Array, { rows, columns, stride }: Grid): Int32Array {
  const found = new Int32Array(rows * columns);
  const at = (y: number, x: number) =>
    y < 0 || x < 0 || y >= rows || x >= columns ? 0 : (found[y * columns + x] as number);
  for (let y = 0; y < rows; y++)
    for (let x = 0; x < columns; x++)
      if ((logits[y * stride + x] as number) > 0)
        found[y * columns + x] = 1 + Math.min(at(y - 1, x), at(y, x - 1));
  for (let y = rows - 1; y >= 0; y--)
    for (let x = columns - 1; x >= 0; x--) {
      const here = found[y * columns + x] as number;
      if (here > 0) found[y * columns + x] = Math.min(here, 1 + Math.min(at(y + 1, x), at(y, x + 1)));
    }
  return found;
}

const CLEARANCE = 0.05;
const PER_STABILITY = 0.5;

type Box = readonly [x0: number, y0: number, x1: number, y1: number];

/** The best of all the decoder's answers to a box, and of their median, cut to the box. */
export function fillBox(answers: readonly Answered[], grid: Grid, box: Box): Answered {
  const ious = answers.map(({ iou }) => iou).sort((a, b) => a - b);
  const middle = ((ious[1] as number) + (ious[2] as number)) / 2;
  const all = [...answers, { logits: median(answers.map(({ logits }) => logits)), iou: middle }].map(
    ({ logits, iou }) => ({ logits: cutToBox(logits, grid, box), iou }),
  );
  const scores = all.map(({ logits, iou }, i) => {
    const { inner, outer } = counted(logits, grid);
    const others = all.filter((_, k) => k !== i).map((other) => maskIou(logits, other.logits));
    const agreement = others.reduce((sum, one) => sum + one, 0) / others.length;
    return boxIou(boxOf(logits, grid), box) + iou + (PER_STABILITY * inner) / Math.max(1, outer) + agreement;
  });
  return all[scores.indexOf(Math.max(...scores))] as Answered;
}

function median(four: readonly Float32Array[]): Float32Array {
  return (four[0] as Float32Array).map((_, at) => {
    const values = four.map((one) => one[at] as number);
    const sum = values.reduce((total, value) => total + value, 0);
    return (sum - Math.max(...values) - Math.min(...values)) / 2;
  });
}

function cutToBox(
  logits: Float32Array,
  { rows, columns, stride }: Grid,
  [x0, y0, x1, y1]: Box,
): Float32Array {
  const cut = logits.slice();
  const [clearX, clearY] = [Math.max(1, CLEARANCE * (x1 - x0)), Math.max(1, CLEARANCE * (y1 - y0))];
  for (let y = 0; y < rows; y++) {
    const high = y + 0.5 >= y0 - clearY && y + 0.5 <= y1 + clearY;
    for (let x = 0; x < columns; x++) {
      const at = y * stride + x;
      const inside = high && x + 0.5 >= x0 - clearX && x + 0.5 <= x1 + clearX;
      if (!inside) cut[at] = -Math.abs(cut[at] as number);
    }
  }
  return cut;
}

function boxOf(logits: Float32Array, { rows, columns, stride }: Grid): Box {
  let [left, top, right, bottom] = [columns, rows, 0, 0];
  for (let y = 0; y < rows; y++)
    for (let x = 0; x < columns; x++)
      if ((logits[y * stride + x] as number) > 0) {
        if (x < left) left = x;
        if (x >= right) right = x + 1;
        if (y < top) top = y;
        bottom = y + 1;
      }
  return right > 0 ? [left, top, right, bottom] : [0, 0, 0, 0];
}

function boxIou(a: Box, b: Box): number {
  const area = ([x0, y0, x1, y1]: Box) => (x1 - x0) * (y1 - y0);
  const across = Math.max(0, Math.min(a[2], b[2]) - Math.max(a[0], b[0]));
  const down = Math.max(0, Math.min(a[3], b[3]) - Math.max(a[1], b[1]));
  const common = across * down;
  const both = area(a) + area(b) - common;
  return both > 0 ? common / both : 0;
}

function maskIou(a: Float32Array, b: Float32Array): number {
  let [common, both] = [0, 0];
  for (let at = 0; at < a.length; at++) {
    const [inA, inB] = [(a[at] as number) > 0, (b[at] as number) > 0];
    if (inA && inB) common++;
    if (inA || inB) both++;
  }
  return common / Math.max(1, both);
}

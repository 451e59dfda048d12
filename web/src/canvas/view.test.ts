import { describe, expect, test } from "vitest";
import { boxBetween, fitted, nearestPixel, panned, pixelAt, toPicture, toStage, zoomed } from "./view";

const picture = { width: 600, height: 400 };
const stage = { width: 1000, height: 700 };

test("the fitted picture is whole and in the middle", () => {
  const view = fitted(picture, stage);
  expect(view.left).toBeCloseTo((stage.width - 600 * view.scale) / 2);
  expect(view.left).toBeGreaterThanOrEqual(20 - 1e-9);
  expect(view.top).toBeGreaterThanOrEqual(20 - 1e-9);
});

test("a pixel's middle on the stage leads back to the pixel", () => {
  const view = zoomed(fitted(picture, stage), 2.7, { x: 111, y: 222 }, picture, stage);
  for (const pixel of [
    { x: 0, y: 0 },
    { x: 599, y: 399 },
    { x: 17, y: 301 },
  ]) {
    expect(pixelAt(toPicture(view, toStage(view, pixel)), picture)).toEqual(pixel);
  }
});

test("the place zoomed at stays where it is", () => {
  const view = fitted(picture, stage);
  const place = { x: 480, y: 300 };
  const under = toPicture(view, place);
  const closer = zoomed(view, 1.7, place, picture, stage);
  expect(toPicture(closer, place).x).toBeCloseTo(under.x);
  expect(toPicture(closer, place).y).toBeCloseTo(under.y);
});

test("the picture cannot be pushed out of sight", () => {
  const view = panned(fitted(picture, stage), 1e6, -1e6, picture, stage);
  expect(view.left).toBeLessThan(stage.width);
  expect(view.top + 400 * view.scale).toBeGreaterThan(0);
});

describe("places beside the picture", () => {
  test("are no pixels, but have a nearest one", () => {
    expect(pixelAt({ x: -0.1, y: 5 }, picture)).toBeNull();
    expect(pixelAt({ x: 600, y: 5 }, picture)).toBeNull();
    expect(nearestPixel({ x: 700, y: -3 }, picture)).toEqual({ x: 599, y: 0 });
  });

  test("bound a box at the picture's edges", () => {
    expect(boxBetween({ x: 590.5, y: 410 }, { x: 650, y: -4 }, picture)).toEqual([590, 0, 600, 400]);
    expect(boxBetween({ x: 700, y: 10 }, { x: 650, y: 20 }, picture)).toBeNull();
  });
});

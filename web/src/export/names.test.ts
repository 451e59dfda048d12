import { expect, test } from "vitest";
import { distinct, stem } from "./names";

test.each([
  ["photo.jpg", "photo"],
  ["../../etc/passwd", "_.._etc_passwd"],
  ["a:b?.png", "a_b_"],
  ["Straße am Meer.heic", "Straße am Meer"],
  [".png", "picture"],
])("the stem of %j is %j", (name, expected) => expect(stem(name)).toBe(expected));

test("names that differ only in case are told apart too", () => {
  expect(distinct(["cup", "Cup", "cup", "plate"])).toEqual(["cup", "Cup (2)", "cup (3)", "plate"]);
});

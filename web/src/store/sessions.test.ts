import "fake-indexeddb/auto";
import { createStore } from "idb-keyval";
import { expect, test } from "vitest";
import { EMPTY_DOCUMENT } from "../state/document";
import { started } from "../state/history";
import { type KeptSession, Sessions } from "./sessions";

let count = 0;
const fresh = () => new Sessions(createStore(`test-${count++}`, "kept"));
const session = (id: string, changed: number, ...keys: string[]): KeptSession => ({
  version: 1,
  id,
  changed,
  current: keys[0] ?? null,
  pictures: keys.map((key) => ({
    key,
    name: `${key}.png`,
    identity: null,
    history: started(EMPTY_DOCUMENT),
  })),
});
const file = () => ({ file: new Blob(["pixels"]), shown: null });

test("sessions come back as they were kept, the newest first", async () => {
  const sessions = fresh();
  const [old, young] = [session("old", 1, "a"), session("young", 2, "b")];
  await sessions.save(old);
  await sessions.save(young);
  expect(await sessions.all()).toEqual([young, old]);
  expect(await sessions.load("old")).toEqual(old);
  expect(await sessions.load("nobody")).toBeNull();
});

test("a session takes its files with it", async () => {
  const sessions = fresh();
  await sessions.saveFile("a", file());
  await sessions.saveFile("b", file());
  await sessions.save(session("one", 1, "a"));
  await sessions.save(session("two", 2, "b"));
  await sessions.delete("one");
  expect(await sessions.file("a")).toBeUndefined();
  expect(await sessions.file("b")).toBeDefined();
});

test("old sessions make room, those in use stay", async () => {
  const sessions = fresh();
  for (let i = 0; i < 14; i++) await sessions.save(session(`s${i}`, i));
  await sessions.tidy(new Set(["s0"]));
  const left = (await sessions.all()).map(({ id }) => id);
  expect(left).toHaveLength(11);
  expect(left).toContain("s0");
});

test("files of no session are swept away, unless another tab may be writing them", async () => {
  const sessions = fresh();
  await sessions.saveFile("stray", file());
  await sessions.tidy(new Set(["mine", "theirs"]));
  expect(await sessions.file("stray")).toBeDefined();
  await sessions.tidy(new Set(["mine"]));
  expect(await sessions.file("stray")).toBeUndefined();
});

/** Keeps the session in the browser while it changes, and brings it back. */

import { effect, signal } from "@preact/signals";
import { type Document, EMPTY_DOCUMENT } from "../state/document";
import { type History, mapped, shortened } from "../state/history";
import { sentence } from "../state/notices";
import { Picture } from "../state/picture";
import type { Studio } from "../state/studio";
import type { KeptFile, KeptSession, Sessions } from "./sessions";

const DELAY_MS = 250;
const KEPT_STEPS = 50;

export class Autosave {
  /** Whether every change is kept. */
  readonly saved = signal(true);
  /** What was written of each picture's file. */
  private readonly files = new Map<string, KeptFile["shown"]>();
  private readonly ended = new AbortController();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private writing: Promise<void> = Promise.resolve();

  constructor(
    private readonly sessions: Sessions,
    private readonly studio: Studio,
    private readonly id: string,
  ) {}

  /** From now on every change is kept. */
  start(): void {
    let first = true;
    const { signal } = this.ended;
    const stop = effect(() => {
      this.snapshot();
      if (first) first = false;
      else this.soon();
    });
    signal.addEventListener("abort", stop);
    addEventListener("pagehide", () => this.now(), { signal });
    document.addEventListener(
      "visibilitychange",
      () => {
        if (document.visibilityState === "hidden") this.now();
      },
      { signal },
    );
  }

  /** Keeps what there is, and nothing after it. */
  stop(): void {
    this.now();
    this.ended.abort();
  }

  /** Pictures that were kept already need not be written again. */
  restored(pictures: readonly Picture[]): void {
    for (const picture of pictures) this.files.set(picture.key, shownOf(picture));
  }

  private soon(): void {
    this.saved.value = false;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.now(), DELAY_MS);
  }

  private now(): void {
    clearTimeout(this.timer);
    if (this.saved.value) return;
    const session = this.snapshot();
    this.writing = this.writing.then(() => this.write(session));
  }

  private async write(session: KeptSession): Promise<void> {
    try {
      await this.writeFiles();
      await this.sessions.save(session);
      if (sameWork(session, this.snapshot())) this.saved.value = true;
    } catch (error) {
      this.studio.notices.alert(
        `This browser cannot keep your work: export it before you close the page. ${sentence(error)}`,
      );
    }
  }

  private async writeFiles(): Promise<void> {
    const pictures = this.studio.pictures.value;
    for (const picture of pictures) {
      const { key, file } = picture;
      const shown = shownOf(picture);
      if (this.files.has(key) && this.files.get(key) === shown) continue;
      await this.sessions.saveFile(key, { file, shown });
      this.files.set(key, shown);
    }
    const open = new Set(pictures.map(({ key }) => key));
    for (const key of [...this.files.keys()].filter((key) => !open.has(key))) {
      await this.sessions.deleteFile(key);
      this.files.delete(key);
    }
  }

  private snapshot(): KeptSession {
    return {
      version: 1,
      id: this.id,
      changed: Date.now(),
      current: this.studio.current.value?.key ?? null,
      pictures: this.studio.pictures.value.map(({ key, name, identity, history, shown }) => {
        shown.value; // its file changes with it
        return { key, name, identity: identity.value, history: shortened(history.value, KEPT_STEPS) };
      }),
    };
  }
}

function shownOf({ file, shown }: Picture): KeptFile["shown"] {
  return shown.value === file ? "file" : shown.value;
}

function sameWork(a: KeptSession, b: KeptSession): boolean {
  return (
    a.current === b.current &&
    a.pictures.length === b.pictures.length &&
    a.pictures.every((picture, i) => {
      const other = b.pictures[i];
      return picture.key === other?.key && picture.history.present === other.history.present;
    })
  );
}

/** The pictures of a session that was kept; those whose file is gone are left out. */
export async function picturesOf(session: KeptSession, sessions: Sessions): Promise<Picture[]> {
  const pictures: Picture[] = [];
  for (const { key, name, identity, history } of session.pictures) {
    const kept = await sessions.file(key);
    if (!kept) continue;
    const shown = kept.shown === "file" ? kept.file : kept.shown;
    pictures.push(new Picture(name, kept.file, key, { identity, shown, history: current(history) }));
  }
  return pictures;
}

/** A history that was kept before documents had all that they have now. */
const current = (history: History<Document>) =>
  mapped(history, (document) => ({ ...EMPTY_DOCUMENT, ...document }));

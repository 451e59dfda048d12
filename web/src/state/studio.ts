/** All that the page knows and does; views show it and call it. */

import { batch, computed, effect, type ReadonlySignal, signal, untracked } from "@preact/signals";
import { type Client, isAbort, Refused } from "../api/client";
import type { Decoder, Preview } from "../decoder";
import { type BoxXyxy, encodeRle, type Rle } from "../masks/rle";
import { Answers, type DraftMask } from "./answers";
import {
  type Document,
  type Draft,
  EMPTY_DOCUMENT,
  hasPrompts,
  isEmpty,
  isUnsaved,
  type Point,
} from "./document";
import { Edits } from "./edits";
import { Finder, phrasesOf } from "./everything";
import { commit, redo, undo } from "./history";
import { newId } from "./ids";
import { Notices, sentence } from "./notices";
import { type FoundMask, Picture } from "./picture";
import { Preparation, Unusable } from "./preparation";
import { type Action, type FinishedMask, reduce } from "./reduce";
import { Settings } from "./settings";

/** How long answers took, in ms, the newest last. */
export interface Timings {
  readonly hover: number[];
  readonly click: number[];
}

const MOST_TIMINGS = 1000;

export class Studio {
  readonly settings = new Settings();
  readonly edits: Edits;
  readonly pictures = signal<readonly Picture[]>([]);
  readonly current: ReadonlySignal<Picture | null>;
  readonly document: ReadonlySignal<Document>;
  readonly draft: ReadonlySignal<Draft>;
  /** The draft's mask; while a newer one is being decoded, the former. */
  readonly mask = signal<DraftMask | null>(null);
  /** The mask for a box that is still being drawn. */
  readonly trial = signal<DraftMask | null>(null);
  /** What a click at the pointer would give. */
  readonly preview = signal<Preview | null>(null);
  /** What was typed to look for, with commas between phrases. */
  readonly phrases = signal("");
  /** The mask of everything mode at the pointer; -1 where none is. */
  readonly pointed = signal(-1);
  /** Prompts answered so far. */
  readonly answered = signal(0);
  readonly timings: Timings = { hover: [], click: [] };

  private readonly currentKey = signal<string | null>(null);
  private readonly preparation: Preparation;
  private readonly finder: Finder;
  private readonly answersOf = new WeakMap<Picture, Answers>();
  private opened: Decoder | null = null;
  /** Number of the newest preview, and of the newest that nobody waits for any more. */
  private previews = 0;
  private left = 0;
  private hovered: { x: number; y: number } | null = null;
  private wantedBox: BoxXyxy | null = null;
  private tryingBox = false;
  private readonly arrivals = signal(0);

  constructor(
    client: Client,
    decoder: Promise<Decoder>,
    limitBytes: () => number | null,
    readonly notices = new Notices(),
  ) {
    this.preparation = new Preparation(client, decoder, notices, limitBytes);
    this.finder = new Finder(client, this.preparation, notices);
    decoder.then(
      (opened) => {
        this.opened = opened;
      },
      (error) => notices.alert(`The decoder could not be started. ${sentence(error)}`),
    );
    this.current = computed(
      () => this.pictures.value.find(({ key }) => key === this.currentKey.value) ?? null,
    );
    this.document = computed(() => this.current.value?.history.value.present ?? EMPTY_DOCUMENT);
    this.draft = computed(() => this.document.value.draft);
    this.edits = new Edits(client, this.preparation, notices, this.current, this.document);
    effect(() => this.prepareCurrent());
    effect(() => this.showMask());
    effect(() => {
      if (isEmpty(this.draft.value)) this.settings.adding.value = true; // there is nothing to take away from
    });
  }

  // --- pictures

  /** Opens files; the first of them is shown. */
  open(files: readonly File[]): void {
    this.adopt(files.map((file) => new Picture(file.name || "picture.png", file)));
  }

  /** Takes up pictures, such as those of a former session; shows `key`, else the first of them. */
  adopt(pictures: readonly Picture[], key: string | null = null): void {
    const first = pictures[0];
    if (!first) return;
    batch(() => {
      this.pictures.value = [...this.pictures.value, ...pictures];
      this.show(key ?? first.key);
    });
  }

  show(key: string): void {
    batch(() => {
      this.leave();
      this.mask.value = null;
      this.currentKey.value = key;
    });
  }

  /** The picture `by` places further on. */
  step(by: number): void {
    const all = this.pictures.value;
    const next = all[all.findIndex(({ key }) => key === this.currentKey.value) + by];
    if (next) this.show(next.key);
  }

  close(picture: Picture): void {
    const all = this.pictures.value;
    const at = all.indexOf(picture);
    const neighbour = all[at + 1] ?? all[at - 1];
    batch(() => {
      if (this.current.peek() === picture) {
        this.leave();
        this.mask.value = null;
        this.currentKey.value = neighbour?.key ?? null;
      }
      this.pictures.value = all.filter((other) => other !== picture);
    });
    this.preparation.forget(picture);
  }

  // --- prompts

  async click(point: Point): Promise<void> {
    this.leave();
    const single = this.settings.tool.value === "multi";
    await this.prompt(single ? { type: "single", point: { ...point, label: 1 } } : { type: "point", point });
  }

  async prompt(action: Action): Promise<void> {
    const began = performance.now();
    const picture = this.current.value;
    const before = this.draft.value;
    this.dispatch(action);
    const draft = this.draft.value;
    if (!picture || draft === before || !(await this.answer(picture, draft))) return;
    this.answered.value += 1;
    note(this.timings.click, performance.now() - began);
  }

  /** Shows what a click there would give, while nothing has been clicked yet. */
  async hover(place: { x: number; y: number } | null): Promise<void> {
    const picture = this.current.value;
    const resting = place && place.x === this.hovered?.x && place.y === this.hovered.y;
    if (resting && this.preview.value) return;
    this.hovered = place;
    const number = ++this.previews;
    const wanted = place && picture?.stage.value === "ready" && this.opened && isEmpty(this.draft.value);
    if (!wanted) {
      this.preview.value = null;
      return;
    }
    const began = performance.now();
    const preview = await this.opened?.preview(picture.key, place).catch(() => null);
    if (!preview || number <= this.left) return;
    this.preview.value = preview;
    note(this.timings.hover, performance.now() - began);
  }

  /** Shows what a box that is still being drawn would give; null ends that. */
  async tryBox(box: BoxXyxy | null): Promise<void> {
    this.wantedBox = box;
    if (!box) this.trial.value = null;
    if (!box || this.tryingBox) return;
    const picture = this.current.value;
    if (picture?.stage.value !== "ready") return;
    this.tryingBox = true;
    try {
      while (this.wantedBox) {
        const wanted: BoxXyxy = this.wantedBox;
        const mask = await this.answers(picture)?.glance(wanted);
        if (this.wantedBox && mask) this.trial.value = mask;
        if (this.wantedBox === wanted) break;
      }
    } catch {
      // the box that is released is answered again, and tells what is wrong
    } finally {
      this.tryingBox = false;
    }
  }

  /** The pointer is nowhere. */
  leave(): void {
    this.left = this.previews;
    this.preview.value = null;
    this.pointed.value = -1;
  }

  /** The three candidates of a single click where the user chooses among them. */
  candidates() {
    const draft = this.draft.value;
    this.arrivals.value;
    if (!draft.multimask || draft.points.length !== 1 || draft.box) return [];
    return this.answers()?.find(draft)?.candidates ?? [];
  }

  // --- changes

  dispatch(action: Action): void {
    const picture = this.current.value;
    if (!picture) return;
    const history = picture.history.value;
    picture.history.value = commit(history, reduce(history.present, action));
  }

  undo(): void {
    this.leave();
    this.travel(undo);
  }

  redo(): void {
    this.leave();
    this.travel(redo);
  }

  reset(): void {
    this.leave();
    this.dispatch({ type: "reset" });
  }

  /** Puts the draft into the list of objects. */
  async save(): Promise<boolean> {
    const made = await this.finished();
    if (!made) return false;
    this.dispatch({ type: "save", id: newId(), ...made });
    return true;
  }

  /** Goes on working at a saved object; a draft that is not saved yet is saved first. */
  async edit(id: string): Promise<void> {
    if (this.draft.value.objectId === id) return;
    if (isUnsaved(this.document.value) && !(await this.save())) this.dispatch({ type: "reset" });
    this.leave();
    this.dispatch({ type: "edit", id });
  }

  /** Deletes the object that is being edited. */
  deleteEdited(): void {
    const id = this.draft.value.objectId;
    if (id) this.dispatch({ type: "delete", id });
  }

  /** The draft's mask, once it is there, ready to be kept; null where there is none. */
  async finished(): Promise<FinishedMask | null> {
    const picture = this.current.value;
    const draft = this.draft.value;
    if (!picture || isEmpty(draft)) return null;
    await this.answer(picture, draft);
    const mask = this.answers(picture)?.mask(draft);
    if (!mask || mask.area === 0) {
      this.notices.tell("The mask is empty: there is nothing to keep");
      return null;
    }
    return {
      mask: encodeRle(mask.bits, mask.box),
      area: mask.area,
      iou: mask.iou,
      stability: mask.stability,
    };
  }

  /** Adds a step to the picture's edit; a mask that is not saved yet is saved first. */
  async addStep(name: string): Promise<void> {
    if (isUnsaved(this.document.value) && !(await this.save())) return;
    const step = this.edits.create(name);
    if (step) this.dispatch({ type: "addStep", step });
  }

  // --- everything mode

  async findEverything(): Promise<void> {
    if (this.current.value) await this.finder.find(this.current.value);
  }

  /** Finds masks for what was typed. */
  async findText(): Promise<void> {
    const phrases = phrasesOf(this.phrases.value);
    if (this.current.value && phrases.length) await this.finder.find(this.current.value, phrases);
  }

  cancelEverything(): void {
    if (this.current.value) this.finder.cancel(this.current.value);
  }

  /** Turns found masks into objects. */
  keep(masks: readonly FoundMask[]): void {
    const picture = this.current.value;
    if (!picture || masks.length === 0) return;
    const objects = masks.map(({ label, mask, area, iou, stability }) => ({
      id: newId(),
      name: label,
      mask,
      area,
      iou,
      stability,
    }));
    batch(() => {
      this.pointed.value = -1;
      this.dispatch({ type: "add", objects });
    });
    this.notices.tell(masks.length === 1 ? "Object saved" : `${masks.length} objects saved`);
  }

  /** Found masks that are no objects yet. */
  readonly found = computed((): readonly FoundMask[] => {
    const picture = this.current.value;
    if (!picture) return [];
    const taken = new Set<Rle>(this.document.value.objects.map(({ draft }) => draft.base as Rle));
    return picture.everything.value.masks.filter(({ mask }) => !taken.has(mask));
  });

  // --- inside

  private travel(step: typeof undo): void {
    const picture = this.current.value;
    if (picture) picture.history.value = step(picture.history.value);
  }

  private answers(picture: Picture | null = this.current.value): Answers | null {
    const identity = picture?.identity.value;
    if (!picture || !identity || !this.opened) return null;
    const known = this.answersOf.get(picture) ?? new Answers(this.opened, picture.key, identity);
    this.answersOf.set(picture, known);
    return known;
  }

  /** Until the draft is answered; false where that fails. */
  private async answer(picture: Picture, draft: Draft): Promise<boolean> {
    try {
      if (picture.stage.value !== "ready") await this.preparation.prepare(picture);
      if (hasPrompts(draft)) await this.answers(picture)?.ask(draft);
      this.arrivals.value += 1;
      return true;
    } catch (error) {
      if (!isAbort(error)) this.notices.alert(`The prompt could not be answered. ${sentence(error)}`);
      return false;
    }
  }

  /** Effect: the current picture is prepared, and after it the next one. */
  private prepareCurrent(): void {
    const picture = this.current.value;
    const all = this.pictures.value;
    if (!picture) return;
    const next = all[all.indexOf(picture) + 1];
    untracked(() => this.prepare(picture)).then((ready) => (ready && next ? this.prepare(next) : undefined));
  }

  private async prepare(picture: Picture): Promise<boolean> {
    try {
      await this.preparation.prepare(picture);
      return true;
    } catch (error) {
      if (isAbort(error)) return false;
      this.notices.alert(`${picture.name} cannot be opened. ${sentence(error)}`);
      const refused = error instanceof Unusable || error instanceof Refused;
      if (refused && !picture.identity.value) this.close(picture);
      return false;
    }
  }

  /** Effect: the mask of the draft, as soon as it is known. */
  private showMask(): void {
    const draft = this.draft.value;
    const picture = this.current.value;
    this.arrivals.value;
    const ready = picture?.stage.value === "ready";
    if (!picture || isEmpty(draft)) {
      this.mask.value = null;
      return;
    }
    const mask = this.answers(picture)?.mask(draft) ?? null;
    if (mask) this.mask.value = mask;
    else if (ready) untracked(() => void this.answer(picture, draft));
  }
}

function note(times: number[], ms: number): void {
  times.push(ms);
  if (times.length > MOST_TIMINGS) times.shift();
}

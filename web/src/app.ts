/** The page put together: server, decoder, studio, stage, and what is kept in the browser. */

import { computed, effect, signal } from "@preact/signals";
import { proxy } from "comlink";
import { type About, Client } from "./api/client";
import { takeToken } from "./api/token";
import { listenToKeys } from "./canvas/keys";
import { Painter } from "./canvas/painter";
import { freePixels, loadPixels, type Pixels } from "./canvas/pixels";
import { Stage } from "./canvas/stage";
import { Decoder } from "./decoder";
import { download, ExportRoom } from "./export/download";
import type { ExportChoice } from "./export/files";
import { stem } from "./export/names";
import { type Draft, objectById } from "./state/document";
import { Notices, sentence } from "./state/notices";
import { patiently } from "./state/patience";
import type { Picture } from "./state/picture";
import { Studio } from "./state/studio";
import { Autosave, picturesOf } from "./store/autosave";
import { type KeptSession, Sessions } from "./store/sessions";
import { adopt, ownSession, sessionsInUse } from "./store/tabs";

export type DialogName = "shortcuts" | "export" | "samples";

export class App {
  readonly notices = new Notices();
  private readonly token = takeToken();
  readonly client = new Client(document.baseURI, this.token);
  readonly stage = new Stage();
  readonly painter = new Painter();
  readonly studio: Studio;
  readonly about = signal<About | null>(null);
  readonly dialog = signal<DialogName | null>(null);
  /** Pixels of the current picture, as soon as the browser has them. */
  readonly pixels = signal<Pixels | null>(null);
  /** A session of a tab that was closed, which can be taken up again. */
  readonly former = signal<KeptSession | null>(null);
  readonly saved = computed(() => this.autosave.value?.saved.value ?? true);
  /** The one line on what happens. */
  readonly status = computed(() => this.statusLine());
  private readonly autosave = signal<Autosave | null>(null);
  /** Share of the decoder that has been fetched; 1 once it runs. */
  private readonly decoderShare = signal(0);
  private readonly sessions = new Sessions();
  private readonly exports = new ExportRoom();
  private picker: HTMLInputElement | null = null;
  private pixelsOf: Blob | null = null;
  private pictureShown: Picture | null = null;

  constructor() {
    this.studio = new Studio(
      this.client,
      this.openDecoder(),
      () => this.about.peek()?.limits.upload_bytes ?? null,
      this.notices,
    );
    effect(() => this.followPicture());
    effect(() => this.markState());
    effect(() => {
      document.documentElement.dataset.theme = this.studio.settings.theme.value;
    });
    listenToKeys(this.studio, this.stage, {
      openPicture: () => this.pick(),
      cutOut: () => void this.cutOut(),
      help: () => {
        this.dialog.value = "shortcuts";
      },
    });
    this.acceptFiles();
    void this.restore();
  }

  // --- pictures in

  /** Shows the browser's file picker. */
  pick(): void {
    this.picker?.remove();
    this.picker = Object.assign(document.createElement("input"), { type: "file", multiple: true });
    this.picker.hidden = true;
    this.picker.addEventListener("change", () => this.studio.open([...(this.picker?.files ?? [])]));
    document.body.append(this.picker);
    this.picker.click();
  }

  async openSample(name: string, url: string): Promise<void> {
    this.dialog.value = null;
    try {
      this.studio.open([new File([await this.client.file(url)], name)]);
    } catch (error) {
      this.notices.alert(`The sample cannot be opened. ${sentence(error)}`);
    }
  }

  private acceptFiles(): void {
    document.addEventListener("dragover", (event) => {
      if (event.dataTransfer?.types.includes("Files")) event.preventDefault();
    });
    document.addEventListener("drop", (event) => {
      event.preventDefault();
      this.studio.open([...(event.dataTransfer?.files ?? [])]);
    });
    document.addEventListener("paste", (event) => {
      const files = [...(event.clipboardData?.files ?? [])];
      if (files.length > 0) event.preventDefault();
      this.studio.open(files);
    });
  }

  // --- pictures out

  /** Saves the object being worked on as a picture with a transparent background. */
  async cutOut(): Promise<void> {
    const picture = this.studio.current.value;
    const draft: Draft = this.studio.draft.value;
    const made = await this.studio.finished();
    const blob = picture?.shown.value;
    if (!picture || !made || !blob) return;
    const object = objectById(this.studio.document.value, draft.objectId);
    const name = `${stem(picture.name)}-${stem(object?.name ?? "cutout")}.png`;
    await this.exporting("The object could not be cut out.", async () => {
      download(name, await this.exports.run((exporter) => exporter.cutout(blob, made.mask)));
    });
  }

  /** Saves the current picture with its steps done. */
  saveEdited(): void {
    const picture = this.studio.current.value;
    const blob = picture?.edited.value?.blob;
    if (picture && blob) download(`${stem(picture.name)}-edited.png`, blob);
  }

  /** Saves the steps themselves, for `anymask edit --recipe`. */
  saveRecipe(): void {
    const picture = this.studio.current.value;
    const recipe = this.studio.edits.recipe.value;
    if (picture && recipe !== null) download(`${stem(picture.name)}_recipe.json`, new Blob([recipe]));
  }

  /** Saves the objects of all pictures as a file. */
  async exportAll(choice: ExportChoice, report: (done: number, total: number) => void): Promise<void> {
    const pictures = this.studio.pictures.value.flatMap(({ name, identity, shown, file, history }) => {
      const size = identity.value;
      const { objects } = history.value.present;
      if (!size) return [];
      return [{ name, width: size.width, height: size.height, blob: shown.value ?? file, objects }];
    });
    await this.exporting("The objects could not be exported.", async () => {
      const made = await this.exports.run((exporter) => exporter.session(pictures, choice, proxy(report)));
      download(made.name, made.blob);
    });
  }

  private async exporting(failure: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.notices.alert(`${failure} ${sentence(error)}`);
    }
  }

  // --- sessions

  /** Takes up the session of a tab that was closed. */
  async takeUp(): Promise<void> {
    const session = this.former.value;
    this.former.value = null;
    if (!session) return;
    if (!(await adopt(session.id))) {
      this.notices.alert("Another tab has taken up that session in the meantime.");
      return;
    }
    await this.resume(session.id, session);
  }

  private async restore(): Promise<void> {
    const id = await ownSession();
    try {
      const session = await this.sessions.load(id);
      await this.resume(id, session);
      const inUse = await sessionsInUse();
      if (!session) {
        const others = (await this.sessions.all()).filter((other) => !inUse.has(other.id) && other.id !== id);
        this.former.value = others.find(({ pictures }) => pictures.length > 0) ?? null;
      }
      await this.sessions.tidy(inUse.add(id));
    } catch (error) {
      this.notices.alert(
        `This browser keeps nothing for this page: export your work before you close it. ${sentence(error)}`,
      );
    }
  }

  /** Goes on with a session, and keeps it from now on. */
  private async resume(id: string, session: KeptSession | null): Promise<void> {
    const autosave = new Autosave(this.sessions, this.studio, id);
    this.autosave.value?.stop();
    this.autosave.value = autosave;
    const pictures = session ? await picturesOf(session, this.sessions) : [];
    autosave.restored(pictures);
    this.studio.adopt(pictures, session?.current ?? null);
    autosave.start();
  }

  // --- inside

  private async openDecoder(): Promise<Decoder> {
    const forever = new AbortController().signal;
    const about = await patiently(() => this.client.about(), this.notices, forever);
    this.about.value = about;
    if (about.token_required && !this.token) {
      this.notices.alert(
        "This server asks for a token: open the whole address that it printed, #token=… included.",
      );
    }
    const sizes = Object.values(about.decoder.files);
    const total = sizes.reduce((sum, { bytes }) => sum + bytes, 0);
    const shares = new Map<string, number>();
    const fetched = (url: string, bytes: number) => (share: number) => {
      shares.set(url, share * bytes);
      this.decoderShare.value = [...shares.values()].reduce((sum, part) => sum + part, 0) / total;
    };
    const decoder = await Decoder.open(about.decoder, (url) => {
      const bytes = sizes.find((file) => file.url === url)?.bytes ?? 0;
      return patiently(() => this.client.file(url, fetched(url, bytes)), this.notices, forever);
    });
    this.decoderShare.value = 1;
    return decoder;
  }

  /** Effect: the stage shows the current picture. */
  private followPicture(): void {
    const picture = this.studio.current.value;
    const blob = picture && (this.studio.edits.shown.value ?? picture.shown.value ?? picture.file);
    const size = picture?.identity.value ?? null;
    if (size) this.stage.show(size);
    if (!picture) this.stage.show(null);
    if (blob === this.pixelsOf) return;
    this.pixelsOf = blob;
    if (picture !== this.pictureShown) this.givePixels(null);
    this.pictureShown = picture;
    if (blob) void this.loadPixels(blob);
  }

  private async loadPixels(blob: Blob): Promise<void> {
    const pixels = await loadPixels(blob).catch(() => null);
    if (blob !== this.pixelsOf) {
      freePixels(pixels);
      return;
    }
    this.givePixels(pixels);
    if (pixels && !this.studio.current.value?.identity.value) this.stage.show(pixels);
  }

  private givePixels(pixels: Pixels | null): void {
    freePixels(this.pixels.peek());
    this.pixels.value = pixels;
  }

  /** Effect: tells style sheets and tests whether a picture can be prompted. */
  private markState(): void {
    const picture = this.studio.current.value;
    const ready = picture?.stage.value === "ready";
    document.documentElement.dataset.state = picture ? (ready ? "ready" : "loading") : "empty";
  }

  private statusLine(): string {
    const { trouble, news } = this.notices;
    if (trouble.value) return trouble.value;
    const picture = this.studio.current.value;
    const percent = (share: number) => `${Math.floor(100 * share)} %`;
    if (picture?.stage.value === "uploading") {
      return `Uploading ${picture.name} … ${percent(picture.progress.value)}`;
    }
    if (picture?.stage.value === "encoding" || picture?.stage.value === "waiting") {
      const fetched = picture.progress.value;
      if (fetched === 1 && this.decoderShare.value < 1) {
        return `Loading the decoder … ${percent(this.decoderShare.value)}`;
      }
      return `Encoding ${picture.name} …`;
    }
    if (picture?.stage.value === "failed") return `${picture.name} could not be prepared: reload the page`;
    const everything = picture?.everything.value;
    if (everything?.state === "running") {
      return everything.total
        ? `Finding everything … ${percent(everything.done / everything.total)}`
        : "Finding everything …";
    }
    if (this.studio.edits.running.value) return "Editing …";
    if (news.value) return news.value;
    return picture ? "Ready" : "Open a picture to begin";
  }
}

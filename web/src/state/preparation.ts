/** From a file to a picture that can be prompted: upload, embedding, decoder. */

import { type Client, isForgotten } from "../api/client";
import type { Decoder } from "../decoder";
import type { Notices } from "./notices";
import { patiently } from "./patience";
import type { Identity, Picture } from "./picture";

const MOST_READY = 4;

/** The file cannot become a picture, and trying again would not help. */
export class Unusable extends Error {
  override name = "Unusable";
}

export class Preparation {
  private readonly running = new Map<string, Promise<void>>();
  /** Pictures whose embeddings the decoder holds, the one used last at the end. */
  private ready: Picture[] = [];

  constructor(
    private readonly client: Client,
    private readonly decoder: Promise<Decoder>,
    private readonly notices: Notices,
    /** The largest file that the server takes; null until it has told. */
    private readonly limitBytes: () => number | null,
  ) {}

  /** Until the picture can be prompted; calls for one that is under way share the work. */
  async prepare(picture: Picture): Promise<void> {
    const running = this.running.get(picture.key) ?? this.start(picture);
    this.running.set(picture.key, running);
    try {
      await running;
    } finally {
      this.running.delete(picture.key);
    }
  }

  /** The picture under the server's name for it, asked anew where the server has forgotten it. */
  async known<T>(picture: Picture, ask: (identity: Identity) => Promise<T>): Promise<T> {
    const { signal } = picture.closing;
    const identity = picture.identity.value ?? (await this.upload(picture));
    try {
      return await patiently(() => ask(identity), this.notices, signal);
    } catch (error) {
      if (!isForgotten(error)) throw error;
      const again = await this.upload(picture);
      return patiently(() => ask(again), this.notices, signal);
    }
  }

  forget(picture: Picture): void {
    picture.closing.abort();
    this.release(picture);
  }

  private async start(picture: Picture): Promise<void> {
    if (picture.stage.value === "ready") {
      this.touch(picture);
      return;
    }
    try {
      if (!picture.identity.value) await this.upload(picture);
      await this.load(picture);
      picture.stage.value = "ready";
      this.touch(picture);
    } catch (error) {
      picture.stage.value = "failed";
      throw error;
    }
  }

  private async upload(picture: Picture): Promise<Identity> {
    const { signal } = picture.closing;
    const before = picture.stage.value;
    if (before !== "ready") picture.stage.value = "uploading";
    await this.checkFile(picture.file);
    picture.progress.value = 0;
    const { id, width, height } = await patiently(
      () => this.client.upload(picture.file, this.progressOf(picture), signal),
      this.notices,
      signal,
    );
    picture.identity.value = { id, width, height };
    if (before !== "ready") picture.stage.value = "encoding";
    return picture.identity.value;
  }

  /** What would make the connection break instead of giving an answer. */
  private async checkFile(file: Blob): Promise<void> {
    if (file.size === 0) throw new Unusable("the file is empty");
    const limit = this.limitBytes();
    if (limit !== null && file.size > limit) {
      const megabytes = (bytes: number) => `${Math.ceil(bytes / 1e6)} MB`;
      throw new Unusable(
        `the file has ${megabytes(file.size)}, the server takes ${Math.floor(limit / 1e6)} MB`,
      );
    }
    try {
      await file.slice(0, 1).arrayBuffer();
    } catch {
      throw new Unusable("it is a folder, or a file that is gone or must not be read");
    }
  }

  private async load(picture: Picture): Promise<void> {
    picture.stage.value = "encoding";
    picture.progress.value = 0;
    const { signal } = picture.closing;
    const [embedding, shown] = await Promise.all([
      this.known(picture, ({ id }) => this.client.embedding(id, this.progressOf(picture), signal)),
      picture.shown.value ?? this.known(picture, (identity) => this.showable(picture, identity)),
    ]);
    picture.shown.value = shown;
    const decoder = await this.decoder;
    await decoder.add(picture.key, embedding);
    signal.throwIfAborted();
  }

  /** The file itself where the browser shows it at the size that the server sees, else the server's. */
  private async showable(picture: Picture, { id, width, height }: Identity): Promise<Blob> {
    try {
      const bitmap = await createImageBitmap(picture.file);
      const same = bitmap.width === width && bitmap.height === height;
      bitmap.close();
      if (same) return picture.file;
    } catch {
      // a kind of file that browsers do not read
    }
    return this.client.picture(id, picture.closing.signal);
  }

  private progressOf(picture: Picture) {
    return (share: number) => {
      picture.progress.value = share;
    };
  }

  private touch(picture: Picture): void {
    this.ready = [...this.ready.filter((other) => other !== picture), picture];
    for (const old of this.ready.slice(0, -MOST_READY)) this.release(old);
  }

  private release(picture: Picture): void {
    this.ready = this.ready.filter((other) => other !== picture);
    picture.stage.value = "waiting";
    void this.decoder.then((decoder) => decoder.release(picture.key)).catch(() => undefined);
  }
}

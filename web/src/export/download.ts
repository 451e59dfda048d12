import * as Comlink from "comlink";
import type { Exporter } from "./worker";

/** Hands a file to the browser's downloads. */
export function download(name: string, blob: Blob): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** Makes files in a worker that is there from the start: work can be taken out when the server is gone. */
export class ExportRoom {
  private readonly exporter: Comlink.Remote<Exporter>;
  private readonly failure: Promise<never>;

  constructor() {
    const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
    this.exporter = Comlink.wrap<Exporter>(worker);
    this.failure = new Promise((_, reject) => {
      const told = (event: Event) =>
        reject(new Error((event as ErrorEvent).message || "The exporter did not load"));
      worker.addEventListener("error", told, { once: true });
    });
    this.failure.catch(() => undefined);
  }

  /** Runs `work`; a worker that broke ends it with an error. */
  async run<T>(work: (exporter: Comlink.Remote<Exporter>) => Promise<T>): Promise<T> {
    return Promise.race([work(this.exporter), this.failure]);
  }
}

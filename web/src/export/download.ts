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

/** Runs `work` with an exporter in a worker of its own, which ends with it. */
export async function withExporter<T>(work: (exporter: Comlink.Remote<Exporter>) => Promise<T>): Promise<T> {
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  try {
    return await work(Comlink.wrap<Exporter>(worker));
  } finally {
    worker.terminate();
  }
}

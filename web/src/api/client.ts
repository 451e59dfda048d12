/** The server, as the page asks it. Types come from the server's own description. */

import { eventsOf, type JobEvent } from "./events";
import type { components } from "./schema";

export type About = components["schemas"]["About"];
export type Uploaded = components["schemas"]["Uploaded"];
export type StepInfo = components["schemas"]["EditStep"];
export type ParameterInfo = components["schemas"]["EditParameter"];
export type SamRecord = components["schemas"]["SamRecord"];
export type LabelledRecord = components["schemas"]["LabelledRecord"];

/** Share of a transfer that is done, 0 to 1. */
export type Progress = (share: number) => void;

/** The server answered, and refused. */
export class Refused extends Error {
  override name = "Refused";

  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    /** Seconds after which to ask again; null where asking again would not help. */
    readonly retryAfter: number | null = null,
  ) {
    super(message);
  }
}

/** Nobody answered at the server's address. */
export class Unreachable extends Error {
  override name = "Unreachable";

  constructor() {
    super("the server does not answer");
  }
}

export class Client {
  /**
   * @param base the page's address, below which the server's lie.
   * @param token what the server asks for, where it does.
   */
  constructor(
    private readonly base: string,
    private readonly token: string | null,
  ) {}

  async about(): Promise<About> {
    return this.json(await this.fetch("api/about"));
  }

  /** A file of the server by the address that `about` gives. */
  async file(url: string, progress?: Progress, signal?: AbortSignal): Promise<ArrayBuffer> {
    return readAll(await this.fetch(url, signal ? { signal } : {}), progress);
  }

  /** Sends a picture's file. */
  async upload(file: Blob, progress: Progress, signal: AbortSignal): Promise<Uploaded> {
    const answer = await send(this.address("api/images"), file, this.headers(), progress, signal);
    return JSON.parse(answer) as Uploaded;
  }

  /** The picture's embedding file; waits until the server has it. */
  async embedding(imageId: string, progress: Progress, signal: AbortSignal): Promise<ArrayBuffer> {
    return this.file(`api/images/${imageId}/embedding?dtype=float16`, progress, signal);
  }

  /** The upright picture in a form that every browser shows. */
  async picture(imageId: string, signal?: AbortSignal): Promise<Blob> {
    return new Blob([await this.file(`api/images/${imageId}/picture`, undefined, signal)], {
      type: "image/png",
    });
  }

  /** Starts everything mode; gives the job's id. */
  async everything(imageId: string, signal: AbortSignal): Promise<string> {
    const body = JSON.stringify({ preset: "fast" });
    const answer = await this.post(`api/images/${imageId}/everything`, body, signal);
    return (await this.json<{ id: string }>(answer)).id;
  }

  /** Starts to look for phrases; gives the job's id. */
  async text(imageId: string, phrases: readonly string[], signal: AbortSignal): Promise<string> {
    const answer = await this.post(`api/images/${imageId}/text`, JSON.stringify({ phrases }), signal);
    return (await this.json<{ id: string }>(answer)).id;
  }

  /** What steps an edit may have. */
  async editSteps(): Promise<StepInfo[]> {
    return this.json(await this.fetch("api/edit-steps"));
  }

  /** The picture with the steps of a recipe, given as JSON, done. */
  async edit(imageId: string, recipe: string, signal: AbortSignal): Promise<Blob> {
    const answer = await this.post(`api/images/${imageId}/edit`, recipe, signal);
    return new Blob([await whole(answer)], { type: "image/png" });
  }

  /** What the job tells until it ends. */
  async *jobEvents(job: string, signal: AbortSignal): AsyncGenerator<JobEvent> {
    const answer = await this.fetch(`api/jobs/${job}/events`, { signal });
    try {
      if (answer.body) yield* eventsOf(answer.body);
    } catch (error) {
      throw isAbort(error) ? error : new Unreachable();
    }
  }

  /** What a job found; masks for phrases have labels. */
  async jobResult(job: string): Promise<(SamRecord | LabelledRecord)[]> {
    const answer = await this.fetch(`api/jobs/${job}/result`);
    return (await this.json<{ records: (SamRecord | LabelledRecord)[] }>(answer)).records;
  }

  async cancelJob(job: string): Promise<void> {
    await this.fetch(`api/jobs/${job}`, { method: "DELETE" });
  }

  private async post(path: string, body: string, signal: AbortSignal): Promise<Response> {
    return this.fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body,
      signal,
    });
  }

  private async json<T>(answer: Response): Promise<T> {
    return (await answer.json()) as T;
  }

  private address(path: string): string {
    return new URL(path.replace(/^\//, ""), this.base).href;
  }

  private headers(): Record<string, string> {
    return this.token ? { Authorization: `Bearer ${this.token}` } : {};
  }

  private async fetch(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = { ...(init.headers as Record<string, string>), ...this.headers() };
    let answer: Response;
    try {
      answer = await fetch(this.address(path), { ...init, headers });
    } catch (error) {
      throw isAbort(error) ? error : new Unreachable();
    }
    if (!answer.ok)
      throw refusal(answer.status, await answer.text().catch(() => ""), answer.headers.get("Retry-After"));
    return answer;
  }
}

export const isAbort = (error: unknown) => error instanceof DOMException && error.name === "AbortError";

/** Whether the server has forgotten the picture, as one that was restarted has. */
export const isForgotten = (error: unknown) => error instanceof Refused && error.status === 404;

async function readAll(answer: Response, progress?: Progress): Promise<ArrayBuffer> {
  const total = Number(answer.headers.get("Content-Length"));
  if (!progress || !answer.body || !(total > 0)) return whole(answer);
  const bytes = new Uint8Array(total);
  let done = 0;
  try {
    for await (const part of answer.body as unknown as AsyncIterable<Uint8Array>) {
      bytes.set(part, done);
      done += part.length;
      progress(done / total);
    }
  } catch (error) {
    throw isAbort(error) ? error : new Unreachable();
  }
  if (done !== total) throw new Unreachable();
  return bytes.buffer;
}

async function whole(answer: Response): Promise<ArrayBuffer> {
  try {
    return await answer.arrayBuffer();
  } catch (error) {
    throw isAbort(error) ? error : new Unreachable();
  }
}

/** Uploads with XMLHttpRequest, since fetch does not tell how much was sent. */
function send(
  url: string,
  body: Blob,
  headers: Record<string, string>,
  progress: Progress,
  signal: AbortSignal,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", url);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.onprogress = ({ loaded, total }) => progress(total ? loaded / total : 0);
    request.onload = () => {
      if (request.status < 300) resolve(request.responseText);
      else reject(refusal(request.status, request.responseText, request.getResponseHeader("Retry-After")));
    };
    request.onerror = () => reject(new Unreachable());
    request.onabort = () => reject(new DOMException("the upload was given up", "AbortError"));
    signal.addEventListener("abort", () => request.abort(), { once: true });
    request.send(body);
  });
}

function refusal(status: number, text: string, retryAfter: string | null): Refused {
  const seconds = retryAfter === null ? null : Math.max(1, Number(retryAfter) || 1);
  try {
    const { error } = JSON.parse(text) as { error: { code: string; message: string } };
    return new Refused(status, error.code, error.message, seconds);
  } catch {
    return new Refused(status, "unknown", `the server answered with status ${status}`, seconds);
  }
}

/** Asking a server again that is away or has too much to do. */

import { Refused, Unreachable } from "../api/client";
import type { Notices } from "./notices";

const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 8000;

/** Calls until the server answers; refusals that will not change are thrown. */
export async function patiently<T>(
  call: () => Promise<T>,
  notices: Notices,
  signal: AbortSignal,
): Promise<T> {
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(LONGEST_WAIT_MS, waitMs * 1.5)) {
    try {
      const value = await call();
      notices.trouble.value = "";
      return value;
    } catch (error) {
      signal.throwIfAborted();
      notices.trouble.value = trouble(error);
      await wait(error instanceof Refused ? (error.retryAfter ?? 1) * 1000 : waitMs, signal);
    }
  }
}

/** What to tell while waiting; throws what no waiting mends. */
function trouble(error: unknown): string {
  if (error instanceof Unreachable) return "The server does not answer. Trying again …";
  if (error instanceof Refused && error.retryAfter !== null) return "The server is busy. Waiting …";
  throw error;
}

export function wait(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        reject(signal.reason);
      },
      { once: true },
    );
  });
}

/** What the page tells its user: a line on what happens, and alerts that stay until dismissed. */

import { signal } from "@preact/signals";
import { newId } from "./ids";

export interface Alert {
  readonly id: string;
  readonly text: string;
}

const SHOWN_MS = 6000;
const MOST_ALERTS = 5;

export class Notices {
  readonly alerts = signal<readonly Alert[]>([]);
  /** A short message on something that just happened. */
  readonly news = signal("");
  /** Why everything waits, such as a server that is away; empty while nothing does. */
  readonly trouble = signal("");
  private timer: ReturnType<typeof setTimeout> | undefined;

  tell(text: string): void {
    this.news.value = text;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.news.value = "";
    }, SHOWN_MS);
  }

  alert(text: string): void {
    if (this.alerts.value.some((alert) => alert.text === text)) return;
    this.alerts.value = [...this.alerts.value, { id: newId(), text }].slice(-MOST_ALERTS);
  }

  dismiss(id: string): void {
    this.alerts.value = this.alerts.value.filter((alert) => alert.id !== id);
  }
}

/** An error as one sentence for people. */
export function sentence(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const trimmed = text.trim().replace(/\s+/g, " ") || "something went wrong";
  const capital = trimmed.charAt(0).toUpperCase() + trimmed.slice(1);
  return /[.!?]$/.test(capital) ? capital : `${capital}.`;
}

/** How the user works: tool, brush, opacity, theme. Kept between visits where that is worth it. */

import { effect, type Signal, signal } from "@preact/signals";

export type Tool = "click" | "box" | "everything" | "multi" | "brush" | "eraser";
export type Theme = "system" | "light" | "dark";

const PREFIX = "anymask.";
const THEMES: readonly Theme[] = ["system", "light", "dark"];

export class Settings {
  readonly tool = signal<Tool>("click");
  /** Whether clicks add to the mask; else they take away. */
  readonly adding = signal(true);
  /** Brush diameter in pixels of the screen. */
  readonly brushPx = kept<number>("brush", 28, (value) => value >= 2 && value <= 400);
  /** Of masks over the picture, 0 to 1. */
  readonly opacity = kept<number>("opacity", 0.45, (value) => value >= 0 && value <= 1);
  readonly masksVisible = signal(true);
  readonly theme = kept<Theme>("theme", "system", (value) => THEMES.includes(value));

  nextTheme(): void {
    this.theme.value = THEMES[(THEMES.indexOf(this.theme.value) + 1) % THEMES.length] ?? "system";
  }
}

/** A signal whose value survives a reload; values that are not valid are not taken up. */
function kept<T extends string | number>(name: string, usual: T, valid: (value: T) => boolean): Signal<T> {
  const value = signal(usual);
  try {
    const stored = JSON.parse(localStorage.getItem(PREFIX + name) ?? "null") as T | null;
    if (stored !== null && typeof stored === typeof usual && valid(stored)) value.value = stored;
  } catch {
    // somebody else's value, or a browser that keeps nothing
  }
  effect(() => {
    const text = JSON.stringify(value.value);
    try {
      localStorage.setItem(PREFIX + name, text);
    } catch {
      // a browser that keeps nothing: the usual value next time
    }
  });
  return value;
}

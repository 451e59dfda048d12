/** Undo and redo over immutable values. */

export interface History<T> {
  readonly past: readonly T[];
  readonly present: T;
  readonly future: readonly T[];
}

const LIMIT = 200;

export const started = <T>(present: T): History<T> => ({ past: [], present, future: [] });

/** The value after a change; what had been undone is forgotten. */
export function commit<T>(history: History<T>, present: T): History<T> {
  if (present === history.present) return history;
  return { past: [...history.past, history.present].slice(-LIMIT), present, future: [] };
}

export function undo<T>(history: History<T>): History<T> {
  const present = history.past.at(-1);
  if (present === undefined) return history;
  return { past: history.past.slice(0, -1), present, future: [history.present, ...history.future] };
}

export function redo<T>(history: History<T>): History<T> {
  const present = history.future[0];
  if (present === undefined) return history;
  return { past: [...history.past, history.present], present, future: history.future.slice(1) };
}

/** The history with no more than `steps` on either side, for keeping. */
export const shortened = <T>(history: History<T>, steps: number): History<T> => ({
  past: history.past.slice(-steps),
  present: history.present,
  future: history.future.slice(0, steps),
});

export const mapped = <T>({ past, present, future }: History<T>, change: (value: T) => T): History<T> => ({
  past: past.map(change),
  present: change(present),
  future: future.map(change),
});

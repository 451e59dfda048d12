/** Which session belongs to this tab, and which ones other tabs are working on. */

import { newId } from "../state/ids";

const KEY = "anymask.session";
const LOCK = "anymask/session/";
const PATIENCE_MS = 800;

/** Takes this tab's session, or a new one where it has none or, being a duplicate, another tab has it. */
export async function ownSession(): Promise<string> {
  const former = sessionStorage.getItem(KEY);
  if (former && (await claim(former))) return former;
  const id = newId();
  await adopt(id);
  return id;
}

/** Makes a session this tab's. */
export async function adopt(id: string): Promise<boolean> {
  if (!(await claim(id))) return false;
  sessionStorage.setItem(KEY, id);
  return true;
}

/** Sessions that some tab has open. */
export async function sessionsInUse(): Promise<Set<string>> {
  const { held = [] } = (await locks()?.query()) ?? {};
  const names = held.flatMap(({ name }) => (name?.startsWith(LOCK) ? [name.slice(LOCK.length)] : []));
  return new Set(names);
}

/** Holds the session's lock until this tab ends; a tab that is being reloaded may hold it a moment longer. */
function claim(id: string): Promise<boolean> {
  const manager = locks();
  if (!manager) return Promise.resolve(true);
  return new Promise((resolve) => {
    const untilTheEnd = () => {
      resolve(true);
      return new Promise<never>(() => undefined);
    };
    manager
      .request(LOCK + id, { signal: AbortSignal.timeout(PATIENCE_MS) }, untilTheEnd)
      .catch(() => resolve(false));
  });
}

/** Browsers give locks to secure addresses only: HTTPS, or this machine's own. */
const locks = (): LockManager | undefined => (navigator as Partial<Navigator>).locks;

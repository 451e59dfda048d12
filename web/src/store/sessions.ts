/** Sessions kept in the browser (IndexedDB): one a tab, whole after every change. */

import { createStore, del, delMany, get, getMany, keys, set, type UseStore } from "idb-keyval";
import type { Document } from "../state/document";
import type { History } from "../state/history";
import type { Identity } from "../state/picture";

/** A picture as it is kept; its file lies beside the session, since it never changes. */
export interface KeptPicture {
  readonly key: string;
  readonly name: string;
  readonly identity: Identity | null;
  readonly history: History<Document>;
}

export interface KeptSession {
  readonly version: 1;
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly changed: number;
  readonly current: string | null;
  readonly pictures: readonly KeptPicture[];
}

/** A picture's file and what the browser shows of it: the file, another one, or not known yet. */
export interface KeptFile {
  readonly file: Blob;
  readonly shown: Blob | "file" | null;
}

const SESSION = "session/";
const FILE = "file/";
const MOST_SESSIONS = 10;

export class Sessions {
  constructor(private readonly store: UseStore = createStore("anymask-studio", "kept")) {}

  async load(id: string): Promise<KeptSession | null> {
    return readable(await get<unknown>(SESSION + id, this.store));
  }

  async save(session: KeptSession): Promise<void> {
    await set(SESSION + session.id, session, this.store);
  }

  async file(key: string): Promise<KeptFile | undefined> {
    return get<KeptFile>(FILE + key, this.store);
  }

  async saveFile(key: string, file: KeptFile): Promise<void> {
    await set(FILE + key, file, this.store);
  }

  async deleteFile(key: string): Promise<void> {
    await del(FILE + key, this.store);
  }

  /** All sessions, the one changed last first. */
  async all(): Promise<KeptSession[]> {
    const names = (await this.keys()).filter((key) => key.startsWith(SESSION));
    const sessions = (await getMany<unknown>(names, this.store)).map(readable);
    return sessions.filter((session) => session !== null).sort((a, b) => b.changed - a.changed);
  }

  /** Deletes a session with its files. */
  async delete(id: string): Promise<void> {
    const session = await this.load(id);
    const files = session?.pictures.map(({ key }) => FILE + key) ?? [];
    await delMany([SESSION + id, ...files], this.store);
  }

  /** Deletes all but the newest sessions and those in use, and files that belong to none. */
  async tidy(inUse: ReadonlySet<string>): Promise<void> {
    const sessions = await this.all();
    const kept = sessions.filter((session, i) => i < MOST_SESSIONS || inUse.has(session.id));
    for (const session of sessions) if (!kept.includes(session)) await this.delete(session.id);
    if (inUse.size > 1) return; // another tab may be writing a file that its session does not name yet
    const named = new Set(kept.flatMap(({ pictures }) => pictures.map(({ key }) => FILE + key)));
    const orphans = (await this.keys()).filter((key) => key.startsWith(FILE) && !named.has(key));
    await delMany(orphans, this.store);
  }

  private async keys(): Promise<string[]> {
    return (await keys(this.store)).filter((key) => typeof key === "string");
  }
}

/** What was kept by this version of the page; what another one kept is left alone. */
function readable(kept: unknown): KeptSession | null {
  const session = kept as KeptSession | undefined;
  return session?.version === 1 && Array.isArray(session.pictures) ? session : null;
}

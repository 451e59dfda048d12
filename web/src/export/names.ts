// Characters that some file system refuses, and control characters.
// biome-ignore lint/suspicious/noControlCharactersInRegex: those are what is taken out
const REFUSED = /[\u0000-\u001f<>:"/\\|?*\u007f]+/g;

/** A file name without folders, extension or characters that some system refuses. */
export function stem(fileName: string): string {
  const clean = fileName
    .replace(/\.[A-Za-z0-9]{1,5}$/, "")
    .replace(REFUSED, "_")
    .replace(/^[. ]+|[. ]+$/g, "");
  return clean.slice(0, 80) || "picture";
}

/** The names, each made different from those before it by a number. */
export function distinct(names: readonly string[]): string[] {
  const taken = new Set<string>();
  return names.map((name) => {
    let free = name;
    for (let n = 2; taken.has(free.toLowerCase()); n++) free = `${name} (${n})`;
    taken.add(free.toLowerCase());
    return free;
  });
}

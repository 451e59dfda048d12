/** A name that nothing else has; also where the page is no secure context and has no randomUUID. */
export const newId = (): string =>
  [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

/** The token that a server beyond this machine asks for. */

const KEY = "anymask.token";

/** Takes the token out of the address, where it would be seen, and keeps it for this tab. */
export function takeToken(): string | null {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    sessionStorage.setItem(KEY, given);
    history.replaceState(null, "", location.pathname + location.search);
  }
  return sessionStorage.getItem(KEY);
}

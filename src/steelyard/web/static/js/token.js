// The token that the server asks for: taken out of the address that brings it, kept for this origin.
const KEY = "steelyard-token";

/** Keeps a token that the address holds, `#token=...&/view`, and takes it out of the address. */
export function takeFromAddress() {
  const given = location.hash.match(/^#token=([^&]*)&?(.*)$/s);
  if (!given) return;
  localStorage.setItem(KEY, decodeURIComponent(given[1]));
  history.replaceState(null, "", given[2] ? `#${given[2]}` : location.pathname);
}

/** The token, "" if there is none. */
export const token = () => localStorage.getItem(KEY) ?? "";

/** Keeps what somebody typed: the token, or the whole address that `steelyard serve` printed. */
export function keep(text) {
  localStorage.setItem(KEY, text.trim().replace(/^.*#token=/s, "").replace(/&.*$/s, ""));
}

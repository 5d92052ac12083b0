// The state of a view is its address: `#/view?key=value&...`; read, written, and told to whoever shows it.
import { useEffect, useState } from "./html.js";
import { takeFromAddress } from "./token.js";

export const VIEWS = ["network", "compare", "zoo", "jobs", "runs"];
const WRITE_EVERY_MS = 300; // browsers refuse addresses that change at every pixel of a drag

const listeners = new Set();
const latest = new Map(); // view -> its parameters when it was last seen
takeFromAddress();
let state = read(location.hash);
let timer = 0, written = 0;

function read(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  const view = VIEWS.includes(path) ? path : "network";
  return { view, params: [...new URLSearchParams(query)] };
}

function write({ view, params }) {
  const query = new URLSearchParams(params).toString();
  return `#/${view}${query ? `?${query}` : ""}`;
}

function show(next) {
  state = next;
  latest.set(next.view, next.params);
  for (const listener of listeners) listener(state);
}

/** The address of a view; without parameters as it was last seen. */
export function addressOf(view, params = null) {
  return write({ view, params: params ? entries(params) : latest.get(view) ?? [] });
}

function entries(params) {
  return Object.entries(params).flatMap(([key, value]) =>
    [value].flat().filter((v) => v !== "" && v !== null && v !== undefined).map((v) => [key, String(v)]));
}

/** Changes parameters of the view that is shown: "" or null takes one out, a list gives several of one name. */
export function change(patch) {
  const kept = state.params.filter(([key]) => !(key in patch));
  show({ view: state.view, params: [...kept, ...entries(patch)] });
  clearTimeout(timer);
  timer = setTimeout(settle, Math.max(0, written + WRITE_EVERY_MS - Date.now()));
}

/** Writes the address now; also before it is copied. */
export function settle() {
  clearTimeout(timer);
  written = Date.now();
  const hash = write(state);
  if (hash !== location.hash) history.replaceState(null, "", hash);
}

/** Goes to another view, or to other parameters of it; the back button returns. */
export function go(view, params = null) {
  settle();
  const hash = addressOf(view, params);
  if (hash !== location.hash) history.pushState(null, "", hash);
  show(read(hash));
}

window.addEventListener("popstate", () => {
  clearTimeout(timer);
  takeFromAddress();
  show(read(location.hash));
});

/** The view and its parameters: `one(key)`, `all(key)`. */
export function useAddress() {
  const [now, set] = useState(state);
  useEffect(() => {
    listeners.add(set);
    set(state);
    return () => listeners.delete(set);
  }, []);
  return {
    view: now.view,
    one: (key, otherwise = "") => now.params.find(([k]) => k === key)?.[1] ?? otherwise,
    all: (key) => now.params.filter(([k]) => k === key).map(([, value]) => value),
    params: now.params,
  };
}

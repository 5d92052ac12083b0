// Questions to the server: JSON both ways, the token with each, errors as sentences.
import { token } from "./token.js";

/** What the server refused or could not do: `message`, `expected`, `hint`, `status` (0: no answer). */
export class Refused extends Error {
  constructor(status, error) {
    super(error.message ?? `the server answered ${status}`);
    this.name = "Refused";
    this.status = status;
    this.expected = error.expected ?? "";
    this.hint = error.hint ?? "";
  }
}

const NO_SERVER = { message: "The server does not answer.", hint: "Is `steelyard serve` still running? Start it again, and open the address it prints." };
let locked = () => {};

/** Calls `listener` whenever the server does not take the token. */
export function onLocked(listener) { locked = listener; }

async function send(method, path, { body, raw, signal } = {}) {
  const headers = { "X-Steelyard-Token": token() };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (raw) headers["Content-Type"] = "application/octet-stream";
  let answer;
  try {
    answer = await fetch(`/api/${path}`, { method, headers, body: raw ?? (body && JSON.stringify(body)), signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(0, NO_SERVER);
  }
  if (answer.ok) return answer;
  const { error = {} } = await answer.json().catch(() => ({}));
  if (answer.status === 401) locked();
  throw new Refused(answer.status, error);
}

const json = async (answer) => (answer.status === 204 ? null : answer.json());

export const get = async (path, signal) => json(await send("GET", path, { signal }));
export const post = async (path, body, signal) => json(await send("POST", path, { body, signal }));
export const remove = async (path) => json(await send("DELETE", path));
export const upload = async (file) =>
  json(await send("POST", `uploads?name=${encodeURIComponent(file.name)}`, { raw: file }));

/** Asks for a file and has the browser save it. */
export const download = async (path, body, name) => save(await (await send("POST", path, { body })).blob(), name);
export const fetchFile = async (path, name) => save(await (await send("GET", path)).blob(), name);

/** Has the browser save what is here already. */
export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

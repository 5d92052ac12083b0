// A network with its settings: as one line of an address, as the object that the server takes, as words.
const OWN = ["batch", "resolution", "bits", "rewrite"]; // settings of the input, not of the network

/** From `resnet50;width=0.5;batch=4`, or `upload!ID;batch=4`. Values stay text till a knob says their type. */
export function parse(text) {
  const [name, ...rest] = text.split(";");
  const settings = {};
  for (const part of rest) {
    const [key, value] = part.split(/=(.*)/s);
    if (key && value !== undefined) settings[key] = value;
  }
  return { name, settings };
}

export function print({ name, settings }) {
  return [name, ...Object.entries(settings).map(([key, value]) => `${key}=${value}`)].join(";");
}

/** What `/api/...` takes. */
export function body({ name, settings }) {
  const upload = uploadOf(name);
  const what = upload ? { upload } : { model: name };
  const knobs = {};
  for (const [key, value] of Object.entries(settings)) {
    if (OWN.includes(key)) what[key] = guess(value); else knobs[key] = guess(value);
  }
  if (Object.keys(knobs).length) what.knobs = knobs;
  return what;
}

// an address holds texts; where no knob was asked, numbers and truths are seen by their looks
function guess(value) {
  if (typeof value !== "string") return value;
  if (value === "true" || value === "false") return value === "true";
  if (/^\d+(,\d+)+$/.test(value)) return value.split(",").map(Number);
  return value.trim() !== "" && Number.isFinite(Number(value)) ? Number(value) : value;
}

export const uploadOf = (name) => (name.startsWith("upload!") ? name.slice(7) : "");

/** As it is called on the page. */
export function words({ name, settings }, uploads = []) {
  const id = uploadOf(name);
  const shown = id ? uploads.find((u) => u.id === id)?.name ?? `upload ${id.slice(0, 8)}` : name;
  const set = Object.entries(settings).map(([key, value]) => `${key} ${value}`);
  return set.length ? `${shown}, ${set.join(", ")}` : shown;
}

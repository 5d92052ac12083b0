// Knobs as the page shows them, from what the server tells of a network, an upload or a device.

const BATCH = { name: "batch", label: "batch", doc: "samples in one inference", type: "int", default: 1, min: 1, max: 64, scale: "log" };
const RESOLUTION = { name: "resolution", label: "resolution", unit: "pixels", doc: "side of the square image", type: "int", default: null, min: 32, max: 512, step: 8 };
const BITS = [32, 16, 8, 4];
const NUMBER_FORMAT = {
  name: "bits", label: "bits a number", doc: "of weights and activations: 32 and 16 are floating point, 8 and 4 whole numbers",
  type: "choice", default: null, choices: [null, ...BITS], none: "as it is",
};
const UNITS = { resolution: "pixels" };
const FOREMOST = ["width", "depth", "depths", "resolution", "groups", "kernel", "kernel_size"]; // shown before all others

const GROUPED = [2, 4, 8].map((groups) => `grouped:groups=${groups}`);

// a rule of `steelyard rewrite` for all layers that it fits: other groups, other kernels
const rewriting = (rules) => ({
  name: "rewrite", label: "layers rewritten", doc: "every layer that the rule fits is replaced, as `steelyard rewrite` does it",
  type: "choice", default: null, choices: [null, ...rules.flatMap((rule) => (rule === "grouped" ? GROUPED : [rule]))], none: "no",
});

/** The knobs of a network, those of its input first; `rules`: what layers can be rewritten to. */
export function knobsOfNetwork(about, rules = []) {
  const own = (about.knobs ?? []).map(shaped);
  const first = (knob) => { const at = FOREMOST.indexOf(knob.name); return at < 0 ? FOREMOST.length : at; };
  own.sort((a, b) => first(a) - first(b));
  const has = (name) => own.some((knob) => knob.name === name);
  const rewrite = about.id || !rules.length ? [] : [rewriting(rules)];
  const batch = about.batch > 1 ? { ...BATCH, default: about.batch, max: Math.max(BATCH.max, about.batch) } : BATCH; // an upload's own
  const input = [batch, NUMBER_FORMAT, ...rewrite].filter((knob) => !has(knob.name));
  return about.id && about.kind === "onnx" ? [...input, RESOLUTION, ...own] : [...input, ...own]; // an archive's sizes are fixed
}

export const knobsOfDevice = (about) => (about.knobs ?? []).map(shaped);

// one knob: the range of its slider beside its type
function shaped(knob) {
  const { slider } = knob;
  return {
    ...knob,
    label: knob.label ?? knob.name.replaceAll("_", " ").replaceAll(".", ": "),
    unit: knob.unit || UNITS[knob.name] || "",
    doc: knob.doc ?? "",
    ...(slider && { min: slider.min, max: slider.max, step: fitting(knob, slider), scale: slider.scale }),
  };
}

// a whole number that the slider's steps would miss (227 in steps of 8) needs steps of one
const fitting = (knob, { min, step }) => (knob.type === "int" && Number.isInteger(knob.default) && (knob.default - min) % step ? 1 : step);

/** `text` as a value of the knob; undefined where it is none. */
export function valueOf(knob, text) {
  if (knob.type === "bool") return text === true || text === "true";
  if (knob.type === "int" || knob.type === "float") {
    const number = Number(text);
    return String(text).trim() === "" || !Number.isFinite(number) ? undefined : number;
  }
  if (knob.type === "ints") {
    const items = String(text).split(",").map(Number);
    return items.every(Number.isInteger) ? items : undefined;
  }
  if (knob.type === "choice") return knob.choices.find((choice) => String(choice) === String(text));
  return String(text);
}

/** Settings, which may be texts of an address, by their knobs' types; what no knob takes is left out. */
export function typed(settings, knobs) {
  const values = knobs.filter((knob) => knob.name in settings).map((knob) => [knob.name, valueOf(knob, settings[knob.name])]);
  return Object.fromEntries(values.filter(([, value]) => value !== undefined));
}

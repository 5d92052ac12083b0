// The quantities that views show: what each is called, its unit, and which way is better.
import { percent, si } from "./units.js";

const count = (value) => si(value);
const bytes = (value) => si(value, "B");

export const METRICS = {
  macs: { label: "MACs", words: "multiply-accumulates of one inference", show: count, better: "less" },
  params: { label: "Parameters", words: "trained parameters", show: count, better: "less" },
  ops: { label: "Other operations", words: "element operations that are not multiply-accumulates", show: count, better: "less" },
  activation_bytes: { label: "Outputs", words: "bytes of all layers' outputs", show: bytes, better: "less" },
  access_bytes: { label: "Memory access", words: "bytes moved if each tensor moves once for each layer", show: bytes, better: "less" },
  param_bytes: { label: "Weights", words: "bytes of the parameters", show: bytes, better: "less" },
  peak_activation_bytes: { label: "Peak activations", words: "most bytes of activations alive at one time", show: bytes, better: "less" },
  layers: { label: "Operators", words: "operators that are executed", show: count, better: "less" },
  intensity: { label: "MACs per byte", words: "multiply-accumulates for each byte of access", show: (v) => (v === null || v === undefined ? "–" : v.toFixed(2)), better: "more" },
  accuracy: { label: "Top-1 accuracy", words: "as published", show: (v) => (v === null || v === undefined ? "–" : `${v.toFixed(1)} %`), better: "more" },
  latency_s: { label: "Least time", words: "of one inference on the device: no mapping and no program can be quicker", show: (v) => si(v, "s"), better: "less" },
  time_s: { label: "Least time", words: "on the device", show: (v) => si(v, "s"), better: "less" },
  live_bytes: { label: "Live activations", words: "bytes of activations that are alive while it runs", show: bytes, better: "less" },
  energy_pj: { label: "Energy", words: "of one inference", show: (v) => si(v === null || v === undefined ? v : v * 1e-12, "J"), better: "less" },
};

const QUANTITIES = {
  macs: METRICS.macs, params: METRICS.params, access: METRICS.access_bytes, peak_memory: METRICS.peak_activation_bytes,
  latency_ms: { label: "Latency", show: (v) => si(v === null || v === undefined ? v : v * 1e-3, "s") },
  energy_mj: { label: "Energy", show: (v) => si(v === null || v === undefined ? v : v * 1e-3, "J") },
  area_mm2: { label: "Area (mm²)", show: (v) => (v === null || v === undefined ? "–" : `${Number(v.toPrecision(4))} mm²`) },
  error: { label: "Error", show: (v) => percent(v) },
};

/** What a search minimises, as `steelyard search` names it: {label, show(value)} of `macs`, `latency_ms@eyeriss`. */
export function quantityOf(text) {
  const [name, device] = text.split("@");
  const { label, show } = QUANTITIES[name] ?? { label: name, show: (v) => (v === null || v === undefined ? "–" : String(Number(v.toPrecision(4)))) };
  return { label: device ? `${label} on ${device}` : label, show };
}

/** What colours the blocks of a network. */
export const HEATS = ["macs", "params", "activation_bytes", "access_bytes", "ops", "time_s"];

/** Families of layers as the report colours them. */
export const FAMILIES = {
  conv: "convolution", conv1x1: "1×1 convolution", convdw: "depthwise or grouped convolution",
  linear: "fully connected", matmul: "matrix product, attention, recurrent", norm: "normalisation",
  pointwise: "activation, element-wise, softmax", pool: "pooling, reduction, resize",
  move: "data movement", unknown: "unknown operator",
};

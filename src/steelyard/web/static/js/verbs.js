// The jobs that can be asked for: what each is, and its arguments as knobs; `what`s and `device`s among them.

const NETWORK = { name: "what", label: "network", type: "what" };
const DEVICE = { name: "device", label: "device", type: "device" };
const SECONDS = { name: "budget_s", unit: "s", type: "float", min: 0.5, max: 60, step: 0.5 };

/** [{verb, label, doc, arguments, body(values)}]; `about`: what the server tells of itself. */
export const verbsOf = (about) => [
  {
    verb: "measure", label: "Measure on this machine",
    doc: "Runs the network here and tells how long one inference takes.",
    arguments: [NETWORK,
      { name: "backend", label: "runtime", type: "choice", default: "eager", choices: about.backends ?? ["eager", "compile", "onnxruntime", "openvino"] },
      { name: "batch", label: "batch", doc: "samples in one inference", type: "int", default: 1, min: 1, max: 64, scale: "log" },
      { ...SECONDS, label: "time for it", doc: "how long samples are taken", default: 3 }],
    body: (v) => ({ whats: [v.what], backends: [v.backend], batches: [v.batch], budget_s: v.budget_s }),
  },
  {
    verb: "estimate", label: "Estimate on an accelerator",
    doc: "Finds the best mapping of every layer: energy, time, use of the units.",
    arguments: [NETWORK, DEVICE,
      { name: "objective", label: "the least", doc: "what each layer's mapping minimises", type: "choice", default: "energy", choices: ["energy", "latency", "edp", "dram"] },
      { name: "dataflow", label: "dataflow", doc: "of which mappings", type: "choice", default: "", choices: ["", "WS", "OS-A", "OS-B", "OS-C", "IS", "NLR", "RS"], none: "any" },
      { name: "fuse", label: "fuse layers", doc: "keep maps between layers on the chip where that pays", type: "bool", default: false }],
    body: (v) => ({ what: v.what, devices: [v.device], objective: v.objective, dataflow: v.dataflow, fuse: v.fuse }),
  },
  {
    verb: "scorecard", label: "Scorecard",
    doc: "All eight metrics of the network on the device, and what is missing.",
    arguments: [NETWORK, DEVICE],
    body: (v) => ({ what: v.what, devices: [v.device] }),
  },
  {
    verb: "search", label: "Search for a network",
    doc: "Looks in a space of networks for those that no other beats.",
    arguments: [
      { name: "space", label: "search space", type: "choice", default: "mnasnet", choices: about.spaces ?? ["mnasnet", "regnetx", "darts_cifar", "digits_mobile"] },
      { name: "first", label: "the least", doc: "what is minimised", type: "choice", default: "macs", choices: about.objectives ?? ["macs", "params", "access", "peak_memory"] },
      { name: "second", label: "and the least", doc: "a second quantity; then the front of both is found", type: "choice", default: "params", choices: [null, ...(about.objectives ?? ["macs", "params", "access", "peak_memory"])] },
      { name: "trials", label: "networks tried", doc: "in all", type: "int", default: 100, min: 10, max: 2000, scale: "log" },
      { name: "seed", label: "seed", doc: "of all draws", type: "int", default: 0, min: 0, max: 20, step: 1 }],
    body: (v) => ({ space: v.space, objectives: [...new Set([v.first, v.second].filter(Boolean))], trials: v.trials, seed: v.seed }),
  },
  {
    verb: "report", label: "Report with every layer mapped",
    doc: "The static report of the network on the device, one file to keep or send.",
    arguments: [NETWORK, DEVICE],
    body: (v) => ({ whats: [v.what], devices: [v.device] }),
  },
];

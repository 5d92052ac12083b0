// The graph of a network, what is chosen in it, and the table of its layers.
import { html, useMemo } from "../html.js";
import { change } from "../address.js";
import { FAMILIES, HEATS, METRICS } from "../metrics.js";
import { exact, percent } from "../units.js";
import { Drawing } from "../graph/drawing.js";
import { TOP, isBlock, openTo, pathTo, treeOf } from "../graph/tree.js";
import { DataTable } from "../parts/table.js";
import { Trouble, Waiting } from "../parts/note.js";

const SUMMED = ["layers", ...HEATS];

export function Structure({ graph, address }) {
  const tree = useMemo(() => graph.data && treeOf(graph.data), [graph.data]);
  const total = useMemo(() => (tree ? sum(tree) : {}), [tree]);
  const heats = useMemo(() => HEATS.filter((key) => graph.data?.nodes.some((node) => node[key] !== null && node[key] !== undefined)), [graph.data]);
  const heat = heats.includes(address.one("heat")) ? address.one("heat") : "macs";
  const opened = address.all("open");
  const open = useMemo(() => new Set(opened.filter((id) => tree?.byId.has(id))), [opened.join("\n"), tree]);
  const chosen = address.one("at");
  if (!tree) return html`<div class="drawing">${graph.error ? html`<${Trouble} error=${graph.error} />` : html`<${Waiting}>Drawing the network…<//>`}</div>`;
  const setOpen = (ids) => change({ open: [...ids] });
  const onOpen = (id, wanted) => {
    const next = new Set(open);
    if (wanted) next.add(id); else next.delete(id);
    setOpen(next);
  };
  const choose = (id) => change({ at: id });
  const reveal = (id) => { setOpen(new Set([...open, ...pathTo(tree, id).slice(0, -1)])); choose(id); };
  const deeper = () => setOpen(openTo(tree, depth(tree, open) + 1));
  const tools = html`<label>colour by <select id="heat" value=${heat} onChange=${(e) => change({ heat: e.target.value === "macs" ? "" : e.target.value })}>
      ${heats.map((key) => html`<option key=${key} value=${key}>${METRICS[key].label}</option>`)}</select></label>
    <span class="ramp">none <i></i> most</span>
    <button type="button" class="small" onClick=${deeper}>Open one level</button>
    <button type="button" class="small" disabled=${!open.size} onClick=${() => setOpen([])}>Close all</button>`;
  return html`<section class=${`drawing ${graph.fresh ? "" : "stale"}`} aria-label="graph" aria-busy=${String(!graph.fresh)}>
      <${Trouble} error=${graph.error} />
      <${Drawing} tree=${tree} total=${total} open=${open} chosen=${chosen} heat=${heat} onOpen=${onOpen} onChoose=${choose} tools=${tools} />
      <${Legend} tree=${tree} /></section>
    <${Chosen} tree=${tree} total=${total} heats=${heats} id=${tree.byId.has(chosen) ? chosen : ""} />
    <section class="wide" aria-label="layers"><${Layers} tree=${tree} total=${total} heats=${heats} chosen=${chosen} onChoose=${reveal} /></section>`;
}

function sum(tree) {
  const tops = tree.children.get(TOP).map((id) => tree.byId.get(id));
  return Object.fromEntries(SUMMED.map((key) => [key, tops.reduce((n, node) => n + (node[key] ?? 0), 0)]));
}

const depth = (tree, open) => Math.max(0, ...[...open].map((id) => pathTo(tree, id).length));

function Legend({ tree }) {
  const found = new Set([...tree.byId.values()].map((node) => node.family));
  return html`<ul class="legend">${Object.entries(FAMILIES).filter(([key]) => found.has(key))
    .map(([key, label]) => html`<li key=${key}><i class=${`key ${key}`}></i>${label}</li>`)}</ul>`;
}

function Chosen({ tree, total, heats, id }) {
  const node = id && tree.byId.get(id);
  if (!node) {
    return html`<section class="chosen-side sheet" aria-label="chosen"><h2>Nothing chosen</h2>
      <p class="soft">Choose a block or a layer: a click or Enter opens a block, the arrow keys walk.</p></section>`;
  }
  const block = isBlock(tree, id);
  const facts = [
    ["what", [node.kind, node.detail].filter(Boolean).join(", ")],
    ...(node.op ? [["operator", node.op]] : []),
    ...(node.module ? [["module", node.module]] : []),
    ...(node.shape?.length ? [["output", node.shape.join("×")]] : []),
    ...(block ? [["operators", exact(node.layers ?? tree.children.get(id).length)]] : []),
  ];
  return html`<section class="chosen-side sheet" aria-label="chosen" aria-live="polite"><h2>${node.label}</h2>
    <dl class="facts">${facts.map(([term, text]) => html`<dt key=${term}>${term}</dt><dd>${text}</dd>`)}</dl>
    <table><thead><tr><th scope="col">metric</th><th scope="col" class="n">amount</th><th scope="col" class="n">of all</th></tr></thead>
      <tbody>${heats.map((key) => html`<tr key=${key}><th scope="row">${METRICS[key].label}</th><td class="n">${METRICS[key].show(node[key])}</td>
        <td class="n">${total[key] ? percent((node[key] ?? 0) / total[key]) : "–"}</td></tr>`)}</tbody></table></section>`;
}

function Layers({ tree, total, heats, chosen, onChoose }) {
  const rows = useMemo(() => [...tree.byId.values()].filter((node) => node.type === "layer"), [tree]);
  const columns = useMemo(() => [
    { key: "label", label: "layer", value: (row) => row.id.slice(2) },
    { key: "detail", label: "operator", value: (row) => row.detail ?? row.kind },
    { key: "shape", label: "output", value: (row) => row.shape?.join("×") ?? "" },
    ...heats.map((key) => ({ key, label: METRICS[key].label, number: true, show: (value) => METRICS[key].show(value) })),
    { key: "share", label: "of MACs", unit: "%", number: true, value: (row) => (total.macs ? row.macs / total.macs : null), show: (v) => (v === null ? "–" : (100 * v).toFixed(1)) },
  ], [total, heats]);
  return html`<${DataTable} caption=${`${rows.length} layers, in order of execution`} columns=${columns} rows=${rows} filter chosen=${chosen} onChoose=${onChoose} />`;
}

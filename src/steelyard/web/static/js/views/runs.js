// Training runs: what was trained, how it went, the curves of one run.
import { html, useMemo } from "../html.js";
import { change, useAddress } from "../address.js";
import { get } from "../api.js";
import { useLoad, usePolled } from "../load.js";
import { Lines } from "../charts/lines.js";
import { Trouble, Waiting } from "../parts/note.js";
import { Result } from "../parts/result.js";
import { DataTable } from "../parts/table.js";
import { percent } from "../units.js";

const AGAIN_MS = 5000;

export function Runs() {
  const address = useAddress();
  const runs = usePolled("runs", () => get("runs"), () => AGAIN_MS);
  const rows = runs.data?.runs ?? [];
  const chosen = address.one("id");
  return html`<h1>Training runs</h1>
    <${Trouble} error=${runs.error} />
    ${!runs.data && !runs.error && html`<${Waiting}>Looking for runs…<//>`}
    ${runs.data && !rows.length && html`<p class="card">No runs here. <code>steelyard train RECIPE</code> makes one, and <code>steelyard serve --runs FOLDER</code> says where they are.</p>`}
    ${rows.length > 0 && html`<${List} rows=${rows} chosen=${chosen} />`}
    ${chosen && html`<${Run} key=${chosen} id=${chosen} />`}`;
}

function List({ rows, chosen }) {
  const columns = [
    { key: "name", label: "run", value: (row) => row.name ?? row.id }, { key: "model", label: "network" }, { key: "dataset", label: "data" },
    { key: "state", label: "state" }, { key: "epochs", label: "epochs", number: true }, { key: "top1", label: "top-1", number: true, show: (v) => percent(v) },
  ].filter((column) => rows.some((row) => (column.value ? column.value(row) : row[column.key]) !== undefined));
  return html`<${DataTable} caption=${`${rows.length} runs`} columns=${columns} rows=${rows} filter=${rows.length > 8} chosen=${chosen} onChoose=${(id) => change({ id })} />`;
}

function Run({ id }) {
  const run = useLoad(id, (signal) => get(`runs/${encodeURIComponent(id)}`, signal));
  const groups = useMemo(() => grouped(run.data?.curves ?? []), [run.data]);
  if (!run.data) return run.error ? html`<${Trouble} error=${run.error} />` : html`<${Waiting}>Opening the run…<//>`;
  const { curves: _, ...facts } = run.data;
  return html`<section aria-label="run"><h2>${run.data.name ?? id}</h2>
    <div class="curves">${groups.map((group) => html`<${Lines} key=${group.title} title=${group.title} unit=${group.unit} xLabel="epoch" curves=${group.curves} />`)}</div>
    <${Result} result=${facts} name=${`run-${id}`} /></section>`;
}

// curves of one quantity share a chart: training beside validation
function grouped(curves) {
  const groups = new Map();
  for (const curve of curves) {
    const title = curve.group ?? curve.label;
    if (!groups.has(title)) groups.set(title, { title, unit: curve.unit ?? "", curves: [] });
    groups.get(title).curves.push(curve);
  }
  return [...groups.values()];
}

// Training runs: what was trained, how it went, the curves of one run.
import { html, useMemo } from "../html.js";
import { change, useAddress } from "../address.js";
import { get } from "../api.js";
import { useLoad, usePolled } from "../load.js";
import { Lines } from "../charts/lines.js";
import { Trouble, Waiting } from "../parts/note.js";
import { Result } from "../parts/result.js";
import { DataTable } from "../parts/table.js";
import { counted } from "../units.js";

const AGAIN_MS = 5000;

export function Runs() {
  const address = useAddress();
  const runs = usePolled("runs", () => get("runs"), () => AGAIN_MS);
  const rows = runs.data?.runs ?? [];
  const chosen = address.one("id");
  return html`<h1>Training runs</h1>
    <${Trouble} error=${runs.error} />
    ${!runs.data && !runs.error && html`<${Waiting}>Looking for runs…<//>`}
    ${runs.data && !rows.length && html`<p class="sheet">No runs here. <code>steelyard train RECIPE</code> makes one, and <code>steelyard serve --runs FOLDER</code> says where they are.</p>`}
    ${rows.length > 0 && html`<${List} rows=${rows} chosen=${chosen} />`}
    ${chosen && html`<${Run} key=${chosen} id=${chosen} />`}`;
}

// a recipe names a network or data set alone, or in a table with its settings
const named = (part) => (part !== null && typeof part === "object" ? part.name ?? part.source ?? "" : part ?? "");

function List({ rows, chosen }) {
  const columns = [
    { key: "name", label: "run" },
    { key: "network", label: "network", value: (row) => named(row.network) },
    { key: "data", label: "data", value: (row) => named(row.data) },
    { key: "epochs", label: "epochs", show: (n, row) => (row.error ? row.error : `${n} of ${row.of}${row.finished ? "" : ", not ended"}`), wrap: true },
    { key: "best", label: "best top-1", unit: "%", number: true, value: (row) => row.best?.test_top1, show: (v) => v?.toFixed(2) ?? "–" },
  ];
  return html`<${DataTable} caption=${counted(rows.length, "run")} columns=${columns} rows=${rows} filter=${rows.length > 8} chosen=${chosen} onChoose=${(id) => change({ id })} />`;
}

function Run({ id }) {
  const run = useLoad(id, (signal) => get(`runs/${encodeURIComponent(id)}`, signal));
  const charts = useMemo(() => (run.data ? chartsOf(run.data) : []), [run.data]);
  if (!run.data) return run.error ? html`<${Trouble} error=${run.error} />` : html`<${Waiting}>Opening the run…<//>`;
  const { steps: _, ...facts } = run.data;
  return html`<section aria-label="run"><h2>${run.data.name ?? id}</h2>
    <div class="curves">${charts.map((chart) => html`<${Lines} key=${chart.title} xLabel="epoch" ...${chart} />`)}</div>
    <${Result} result=${facts} name=${`run-${id}`} /></section>`;
}

const CHARTS = [
  { title: "Loss", unit: "", curves: [["steps", "loss", "while training"], ["epochs", "train_loss", "training"], ["epochs", "test_loss", "test"]] },
  { title: "Top-1 accuracy", unit: "%", curves: [["epochs", "train_top1", "training"], ["epochs", "test_top1", "test"]] },
  { title: "Learning rate", unit: "", curves: [["steps", "lr", "learning rate"]] },
  { title: "Length of the gradient", unit: "", curves: [["steps", "gradient_norm", "gradient"]] },
];

// curves that a run has points of, over epochs; steps say at which part of an epoch they were
function chartsOf(run) {
  const points = (rows, key) => run[rows].filter((row) => Number.isFinite(row[key])).map((row) => [row.at ?? row.epoch, row[key]]);
  return CHARTS.map((chart) => ({ ...chart, curves: chart.curves.map(([rows, key, label]) => ({ key, label, points: points(rows, key) })).filter((c) => c.points.length) }))
    .filter((chart) => chart.curves.length);
}

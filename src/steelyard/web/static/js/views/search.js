// What a search found: its front as points over two of its objectives, every network tried, one of them chosen.
import { html, useMemo, useRef } from "../html.js";
import { change, useAddress } from "../address.js";
import { front } from "../charts/pareto.js";
import { Scatter } from "../charts/scatter.js";
import { quantityOf } from "../metrics.js";
import { Result } from "../parts/result.js";
import { DataTable } from "../parts/table.js";
import { counted, si } from "../units.js";

const WIDE = 4; // times as much from the least to the most: then by powers of ten
const AXES_OF_AT_LEAST = 2;

/** `result`: what `steelyard search --json` tells. */
export function SearchResult({ result, name }) {
  const address = useAddress();
  const box = useRef(null);
  const trials = useMemo(() => result.trials.map((trial) => ({ ...trial, name: `#${trial.number}` })), [result]);
  const done = useMemo(() => trials.filter((trial) => trial.state === "done"), [trials]);
  const { objectives } = result;
  const pick = (key, otherwise) => (objectives.includes(address.one(key)) ? address.one(key) : otherwise);
  const across = pick("x", objectives[0]), up = pick("y", objectives.find((one) => one !== across));
  const x = useMemo(() => axisOf(across, done), [across, done]), y = useMemo(() => axisOf(up, done), [up, done]);
  const best = useMemo(() => done.filter((trial) => trial.on_front), [done]);
  const line = useMemo(() => (up ? front(done, x, y) : []), [done, x, y]);
  const chosen = address.one("at") && `#${address.one("at")}`;
  const choose = (spot) => change({ at: spot.slice(1) });
  const toRow = () => box.current.querySelector("tr.lit button")?.focus();
  const drawn = objectives.length >= AXES_OF_AT_LEAST && done.length > 0;
  return html`<div class="found" ref=${box}>
    ${drawn && html`<h3>Front</h3>
      ${objectives.length > AXES_OF_AT_LEAST && html`<div class="controls zoo-tools"><${Axis} id="x" label="across" value=${across} other=${up} names=${objectives} />
        <${Axis} id="y" label="up" value=${up} other=${across} names=${objectives} /></div>`}
      <div class="zoo-view"><${Scatter} points=${done} best=${best} line=${line} x=${x} y=${y} chosen=${chosen} marked=${NONE} onChoose=${choose}
          label=${`${counted(done.length, "network")}, ${x.label} across, ${y.label} up`} />
        <${Card} trial=${trials.find((trial) => trial.name === chosen)} objectives=${objectives} toRow=${toRow} /></div>`}
    <${Trials} trials=${trials} objectives=${objectives} chosen=${chosen} onChoose=${choose} />
    <${Result} result=${result} name=${name} without="trials" /></div>`;
}

const NONE = new Set();
const plain = (value) => (value === null ? "–" : String(value)); // settings stand as they are given: 0.25, not 250 m

function axisOf(objective, trials) {
  const value = (trial) => trial.values[objective] ?? NaN;
  const values = trials.map(value).filter(Number.isFinite);
  const low = Math.min(...values), high = Math.max(...values);
  return { ...quantityOf(objective ?? ""), value, better: "less", log: low > 0 && high / low > WIDE };
}

function Axis({ id, label, value, other, names }) {
  return html`<div class="field"><label for=${`front-${id}`}>${label}</label>
    <select id=${`front-${id}`} value=${value} onChange=${(e) => change({ [id]: e.target.value })}>
      ${names.filter((one) => one !== other).map((one) => html`<option key=${one} value=${one}>${quantityOf(one).label}</option>`)}</select></div>`;
}

function Card({ trial, objectives, toRow }) {
  if (!trial) {
    return html`<section class="sheet" aria-label="chosen network"><h3>No network chosen</h3>
      <p class="soft">Each point is a network; none beats the filled ones in ${objectives.length > 2 ? `all ${objectives.length} objectives` : "both objectives"}.</p></section>`;
  }
  return html`<section class="sheet" aria-label="chosen network"><h3>Network ${trial.name}</h3>
    <button type="button" class="small" onClick=${toRow}>To its row</button>
    <dl class="facts">${objectives.map((one) => html`<dt key=${one}>${quantityOf(one).label}</dt><dd>${quantityOf(one).show(trial.values[one])}</dd>`)}
      ${Object.entries(trial.choices).map(([key, value]) => html`<dt key=${key}>${key}</dt><dd>${plain(value)}</dd>`)}</dl></section>`;
}

function Trials({ trials, objectives, chosen, onChoose }) {
  const rows = useMemo(() => [...trials].sort((a, b) => Number(b.on_front) - Number(a.on_front) || (a.on_front
    ? a.values[objectives[0]] - b.values[objectives[0]] : 0) || a.number - b.number).map((trial) => ({ ...trial, id: trial.name })), [trials, objectives]);
  const columns = useMemo(() => {
    const known = [...new Set([...objectives, ...trials.flatMap((trial) => Object.keys(trial.values))])];
    const choices = [...new Set(trials.flatMap((trial) => Object.keys(trial.choices)))];
    return [{ key: "name", label: "network" },
      { key: "on_front", label: "on the front", value: (row) => (row.on_front ? "yes" : row.reason || (row.state === "done" ? "" : row.state)) },
      ...known.map((key) => ({ key, number: true, ...quantityOf(key), value: (row) => row.values[key] ?? null })),
      { key: "seconds", label: "found in", number: true, show: (value) => si(value, "s") },
      ...choices.map((key) => ({ key: `choice ${key}`, label: key, number: trials.every((trial) => ["number", "undefined"].includes(typeof trial.choices[key])),
        value: (row) => row.choices[key] ?? null, show: plain }))];
  }, [trials, objectives]);
  return html`<${DataTable} caption=${`trials: ${trials.length} rows, those on the front first`} columns=${columns} rows=${rows} filter=${rows.length > 12} chosen=${chosen} onChoose=${onChoose} />`;
}

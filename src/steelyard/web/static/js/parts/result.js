// Any result of a job, which is the command line's JSON: facts, tables of what repeats, the file itself.
import { html } from "../html.js";
import { save } from "../api.js";
import { percent, si } from "../units.js";
import { DataTable } from "./table.js";

const DEEPEST = 3;
const UNITS = { bytes: "B", s: "s", seconds: "s", hz: "Hz", j: "J", w: "W" };

/** `without`: a part that is shown elsewhere. */
export function Result({ result, name, without = "" }) {
  const { [without]: _, ...told } = result;
  return html`<div class="result"><${Part} value=${told} depth=${0} title="result" />
    <${SaveJson} result=${result} name=${name} /></div>`;
}

// `under`: what the keys in it are amounts of, where its own name says the unit
function Part({ value, depth, title, under = "" }) {
  if (Array.isArray(value)) return html`<${List} items=${value} title=${title} depth=${depth} />`;
  const entries = Object.entries(value);
  const facts = entries.filter(([key, v]) => v !== null && typeof v !== "object" && key !== "schema");
  const parts = entries.filter(([, v]) => v !== null && typeof v === "object" && Object.keys(v).length);
  return html`${facts.length > 0 && html`<dl class="facts">${facts.map(([key, v]) => html`<dt key=${key}>${worded(key)}</dt><dd>${shown(under + key, v)}</dd>`)}</dl>`}
    ${depth < DEEPEST && parts.map(([key, v], i) => html`<details key=${key} open=${depth === 0 && i < 4}><summary>${worded(key)}</summary>
      <${Part} value=${v} depth=${depth + 1} title=${worded(key)} under=${PICOJOULES.test(key) ? `${key} ` : ""} /></details>`)}`;
}

function List({ items, title, depth }) {
  const records = items.filter((item) => item !== null && typeof item === "object" && !Array.isArray(item));
  if (records.length !== items.length || !records.length) {
    const words = items.map((item) => (typeof item === "object" ? JSON.stringify(item) : shown("", item)));
    return html`<p>${words.slice(0, 60).join(", ")}${words.length > 60 ? ` and ${words.length - 60} more` : ""}</p>`;
  }
  if (records.length === 1 && depth < DEEPEST) return html`<${Part} value=${records[0]} depth=${depth + 1} title=${title} />`;
  const flat = records.map((record, i) => ({ id: i, ...flattened(record) }));
  const keys = [...new Set(flat.flatMap((record) => Object.keys(record)))].filter((key) => key !== "id");
  const columns = keys.map((key) => {
    const number = flat.every((record) => record[key] === undefined || record[key] === null || typeof record[key] === "number");
    return { key, label: worded(key), number, show: (v) => shown(key, v) };
  });
  return html`<${DataTable} caption=${`${title}: ${records.length} rows`} columns=${columns} rows=${flat} filter=${records.length > 12} />`;
}

// {a: {b: 1}} as {"a b": 1}; lists inside a row stay out of the table
function flattened(record, before = "") {
  const flat = {};
  for (const [key, value] of Object.entries(record)) {
    const name = before ? `${before} ${key}` : key;
    if (value !== null && typeof value === "object") {
      if (!Array.isArray(value) && !before) Object.assign(flat, flattened(value, name));
      else if (Array.isArray(value) && value.length <= 4 && value.every((v) => typeof v !== "object")) flat[name] = value.join("×");
    } else flat[name] = value;
  }
  return flat;
}

const RATE = /_per_s$/, PICOJOULES = /_pj(?=_|$)/; // also energy_pj_by_level

const worded = (key) => key.replace(RATE, "").replace(PICOJOULES, "").replace(/_(bytes|s|hz|j|w|mj)$/, "").replaceAll("_", " ");

function shown(key, value) {
  if (value === null || value === undefined || value === "") return "–";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value !== "number") return String(value);
  if (PICOJOULES.test(key)) return si(value * 1e-12, "J");
  if (RATE.test(key)) return `${si(value)}/s`;
  if (/(^| )utilization$/.test(key)) return percent(value);
  const unit = UNITS[key.split("_").at(-1)];
  if (unit && (key.includes("_") || key === "seconds")) return si(value, unit);
  return Number.isInteger(value) && Math.abs(value) < 100_000 ? String(value) : si(value);
}

function SaveJson({ result, name }) {
  const text = () => new Blob([JSON.stringify(result, null, 2)], { type: "application/json" });
  return html`<button type="button" class="small" onClick=${() => save(text(), `${name}.json`)}>Save as JSON</button>`;
}

// Tables that are sorted by a click on a heading and filtered by words.
import { html, useMemo, useState } from "../html.js";

const PAGE = 200; // rows that are drawn at first

/**
 * `columns`: [{key, label, unit, number, show(value, row), value(row)}]; `rows`: plain objects with `id`.
 * `chosen`, `onChoose`: the id of the marked row, where rows can be chosen.
 */
export function DataTable({ caption, columns, rows, filter = false, chosen, onChoose, sortBy = null }) {
  const [sort, setSort] = useState(sortBy);
  const [words, setWords] = useState("");
  const [most, setMost] = useState(PAGE);
  const shown = useMemo(() => arrange(columns, rows, sort, words), [columns, rows, sort, words]);
  const press = (column) => {
    const first = column.number ? -1 : 1;
    setSort(sort?.key !== column.key ? { key: column.key, way: first } : sort.way === first ? { key: column.key, way: -first } : null);
  };
  return html`<div class="layers">
    ${filter && html`<div class="controls"><label>filter <input type="search" value=${words} onInput=${(e) => setWords(e.target.value)} /></label>
      <span role="status" class="soft">${shown.length} of ${rows.length} rows</span></div>`}
    <div class="scroll" tabindex="0" role="region" aria-label=${caption}><table>
      <caption>${caption}</caption>
      <thead><tr>${columns.map((c) => html`<th key=${c.key} scope="col" class=${c.number ? "n" : ""} aria-sort=${order(sort, c)}>
        <button type="button" onClick=${() => press(c)}>${c.label}</button>${c.unit && html` <span class="unit">(${c.unit})</span>`}</th>`)}</tr></thead>
      <tbody>${shown.slice(0, most).map((row) => html`<tr key=${row.id} class=${row.id === chosen ? "lit" : ""}>
        ${columns.map((c, i) => cell(c, row, i === 0, onChoose))}</tr>`)}</tbody>
    </table></div>
    ${shown.length > most && html`<button type="button" class="small" onClick=${() => setMost(most + 1000)}>
      Show more: ${shown.length - most} rows are left</button>`}</div>`;
}

const valueOf = (column, row) => (column.value ? column.value(row) : row[column.key]);
const order = (sort, column) => (sort?.key !== column.key ? "none" : sort.way > 0 ? "ascending" : "descending");

function cell(column, row, first, onChoose) {
  const value = valueOf(column, row);
  const text = column.show ? column.show(value, row) : value ?? "–";
  if (!first) return html`<td key=${column.key} class=${column.number ? "n" : column.wrap ? "wrap" : ""}>${text}</td>`;
  return html`<th key=${column.key} scope="row" class="plain">${onChoose
    ? html`<button type="button" class="link" onClick=${() => onChoose(row.id)}>${text}</button>` : text}</th>`;
}

function arrange(columns, rows, sort, words) {
  const parts = words.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = (row) => {
    const text = columns.map((c) => (c.number ? "" : String(valueOf(c, row) ?? ""))).join(" ").toLowerCase();
    return parts.every((part) => text.includes(part));
  };
  const kept = parts.length ? rows.filter(fits) : rows;
  const column = sort && columns.find((c) => c.key === sort.key);
  if (!column) return kept;
  const compare = column.number
    ? (a, b) => (valueOf(column, a) ?? -Infinity) - (valueOf(column, b) ?? -Infinity)
    : (a, b) => String(valueOf(column, a) ?? "").localeCompare(String(valueOf(column, b) ?? ""), undefined, { numeric: true });
  return [...kept].sort((a, b) => sort.way * compare(a, b));
}

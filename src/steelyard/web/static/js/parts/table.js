// Tables that are sorted by a click on a heading and filtered by words.
import { html, useLayoutEffect, useMemo, useRef, useState } from "../html.js";

const PAGE = 200; // rows that are drawn at first

/**
 * `columns`: [{key, label, unit, number, show(value, row), value(row)}]; `rows`: plain objects with `id`.
 * `chosen`, `onChoose`: the id of the marked row, where rows can be chosen.
 */
export function DataTable({ caption, columns, rows, filter = false, chosen, onChoose, sortBy = null }) {
  const [sort, setSort] = useState(sortBy);
  const [words, setWords] = useState("");
  const [most, setMost] = useState(PAGE);
  const box = useRef(null);
  const shown = useMemo(() => arrange(columns, rows, sort, words), [columns, rows, sort, words]);
  useLayoutEffect(() => {
    const place = shown.findIndex((row) => row.id === chosen);
    if (place >= most) setMost(place + PAGE);
    else if (place >= 0) reveal(box.current);
  }, [chosen, most]);
  const press = (column) => {
    const first = column.number ? -1 : 1;
    setSort(sort?.key !== column.key ? { key: column.key, way: first } : sort.way === first ? { key: column.key, way: -first } : null);
  };
  return html`<div class="layers">
    ${filter && html`<div class="controls"><label>filter <input type="search" value=${words} onInput=${(e) => setWords(e.target.value)} /></label>
      <span role="status" class="soft">${shown.length} of ${rows.length} rows</span></div>`}
    <div class="scroll" ref=${box} tabindex="0" role="region" aria-label=${caption}><table>
      <caption>${caption}</caption>
      <thead><tr>${columns.map((c) => html`<th key=${c.key} scope="col" class=${c.number ? "n" : ""} aria-sort=${order(sort, c)}>
        <button type="button" onClick=${() => press(c)}>${c.label}</button>${c.unit && html` <span class="unit">(${c.unit})</span>`}</th>`)}</tr></thead>
      <tbody>${shown.slice(0, most).map((row) => html`<tr key=${row.id} class=${row.id === chosen ? "lit" : ""}>
        ${columns.map((c, i) => cell(c, row, i === 0, onChoose))}</tr>`)}</tbody>
    </table></div>
    ${shown.length > most && html`<button type="button" class="small" onClick=${() => setMost(most + 1000)}>
      Show more: ${shown.length - most} rows are left</button>`}</div>`;
}

// scrolls the table, not the page, to the marked row
function reveal(box) {
  const row = box.querySelector("tr.lit"), head = box.querySelector("thead").offsetHeight;
  if (!row) return;
  const above = row.offsetTop - head, below = row.offsetTop + row.offsetHeight - box.clientHeight;
  if (box.scrollTop > above) box.scrollTop = above;
  else if (box.scrollTop < below) box.scrollTop = below;
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

// Totals of a network as tiles, each beside what it was before the knobs were turned.
import { html } from "../html.js";
import { METRICS } from "../metrics.js";
import { difference, exact } from "../units.js";

/** `figures`: [{key, value, before}]; `stale`: a newer answer is awaited. */
export function Tiles({ figures, stale = false, label }) {
  return html`<dl class=${`tiles ${stale ? "stale" : ""}`} aria-label=${label} aria-busy=${String(stale)} tabindex="0">
    ${figures.map(({ key, value, before, note, words }) => {
      const metric = METRICS[key];
      const change = difference(value, before);
      const better = change && (value < before) === (metric.better === "less");
      return html`<div key=${key} title=${title(metric, value)}><dt>${words ?? metric.label}</dt>
        <dd><span data-figure=${key}>${metric.show(value)}</span>
          <span class="sub">${change ? html`<b class=${better ? "less" : "more"}>${change}</b> from ${metric.show(before)}` : note ?? ""}</span></dd></div>`;
    })}</dl>`;
}

const title = (metric, value) => `${metric.words}${Number.isInteger(value) ? `: ${exact(value)}` : ""}`;

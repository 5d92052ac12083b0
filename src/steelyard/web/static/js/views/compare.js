// Up to six networks side by side: totals with bars, the difference from the first, the report of them all.
import { html } from "../html.js";
import { addressOf, change, useAddress } from "../address.js";
import { get, post } from "../api.js";
import { useEach, useLoad } from "../load.js";
import { METRICS } from "../metrics.js";
import { Trouble, Waiting } from "../parts/note.js";
import { NameField, NetworkPicker, useNetworks } from "../parts/picker.js";
import { ReportButton } from "../parts/reporting.js";
import { difference } from "../units.js";
import { body, parse, words } from "../what.js";

export const MOST = 6; // networks side by side

const ROWS = ["accuracy", "macs", "params", "param_bytes", "activation_bytes", "peak_activation_bytes", "access_bytes", "intensity", "layers", "latency_s", "energy_pj"];

export function Compare() {
  const address = useAddress();
  const networks = useNetworks();
  const lines = address.all("n").slice(0, MOST);
  const whats = lines.map(parse);
  const device = address.one("device");
  const devices = useLoad("devices", (signal) => get("devices", signal));
  const answers = useEach(whats.map((what) => ({ what: body(what), ...(device && { device }) })), (question) => post("whatif", question));
  const put = (next) => change({ n: next });
  const add = (name) => name && put([...lines.filter((line) => line !== name), name].slice(0, MOST));
  const full = lines.length >= MOST;
  return html`<h1>Compare networks</h1>
    <div class="row compare-tools">
      ${full ? html`<p class="soft">Six networks are the most that stand side by side; take one out to put in another.</p>`
    : html`<div class="adder"><${NetworkPicker} id="adder" value="" onPick=${add} networks=${networks} /></div>`}
      <${NameField} id="compare-device" label="least time on" names=${["", ...(devices.data?.devices ?? []).map((d) => d.name)]} value=${device} onPick=${(name) => change({ device: name })} />
    </div>
    ${!lines.length && html`<p class="sheet">Nothing to compare yet: add networks here, or press <em>Compare…</em> in a network's view, which takes its settings along.
      For a start: <a href=${addressOf("compare", { n: ["resnet50", "mobilenet_v2", "efficientnet_b0"] })}>ResNet-50, MobileNet V2 and EfficientNet-B0</a>.</p>`}
    ${lines.length > 0 && html`<${SideBySide} lines=${lines} whats=${whats} answers=${answers} uploads=${networks.uploads} put=${put} />
    <${Kinds} lines=${lines} whats=${whats} uploads=${networks.uploads} />
    <div class="row"><${ReportButton} whats=${whats} devices=${device ? [device] : []} name=${`compare-${lines.length}-networks`} /></div>`}`;
}

function SideBySide({ lines, whats, answers, uploads, put }) {
  const found = answers.map((answer) => answer.data?.now ?? {});
  const rows = ROWS.filter((key) => found.some((f) => f[key] !== null && f[key] !== undefined));
  const without = (i) => put(lines.filter((_, at) => at !== i));
  const first = (i) => put([lines[i], ...lines.filter((_, at) => at !== i)]);
  return html`<div class="scroll side-by-side" tabindex="0" role="region" aria-label="networks side by side"><table style=${{ "--columns": lines.length }} aria-busy=${String(answers.some((a) => !a.data && !a.error))}>
    <caption>Each figure is of one inference; below it the difference from the first network</caption>
    <thead><tr><th scope="col">metric</th>${whats.map((what, i) => html`<th key=${lines[i]} scope="col" class="n">
      <a href=${addressOf("network", { n: lines[i] })}>${words(what, uploads)}</a>
      <span class="tools">${i > 0 && html`<button type="button" class="small" onClick=${() => first(i)} aria-label=${`compare with ${words(what, uploads)}`} title="make it the first">⇤</button>`}
        <button type="button" class="small" onClick=${() => without(i)} aria-label=${`take out ${words(what, uploads)}`} title="take it out">×</button></span></th>`)}</tr></thead>
    <tbody>${answers.some((a) => a.error) && html`<tr><th scope="row">trouble</th>${answers.map((a, i) => html`<td key=${lines[i]} class="wrap"><${Trouble} error=${a.error} /></td>`)}</tr>`}
    ${rows.map((key) => html`<${Row} key=${key} name=${key} found=${found} lines=${lines} />`)}</tbody></table></div>`;
}

function Row({ name, found, lines }) {
  const metric = METRICS[name];
  const values = found.map((f) => f[name]);
  const known = values.filter((v) => v !== null && v !== undefined);
  const top = Math.max(...known), best = metric.better === "less" ? Math.min(...known) : top;
  return html`<tr><th scope="row" title=${metric.words}>${metric.label}</th>${values.map((value, i) => html`<td key=${lines[i]} class=${`n ${value === best && known.length > 1 ? "best" : ""}`}>
    <span class="amount">${metric.show(value)}</span>
    <span class="bar-of" style=${{ "--share": top && value ? (value / top).toFixed(3) : "0" }}></span>
    <span class="sub">${i ? difference(value, values[0]) : ""}${value === best && known.length > 1 ? html` <b class="less">best</b>` : ""}</span></td>`)}</tr>`;
}

/** Where the difference comes from: MACs and memory access by kind of layer. */
function Kinds({ lines, whats, uploads }) {
  const question = lines.length > 1 ? { whats: whats.map(body) } : null;
  const answer = useLoad(question, (signal) => post("compare", question, signal));
  if (!question || answer.error) return null; // the table above says what is wrong with which network
  if (!answer.fresh) return html`<${Waiting}>Comparing layer by layer…<//>`;
  const kinds = [...new Set(answer.data.networks.flatMap((n) => Object.keys(n.by_kind)))];
  const weight = (kind) => Math.max(...answer.data.networks.map((n) => (n.by_kind[kind]?.access_bytes ?? 0) / n.total.access_bytes));
  kinds.sort((a, b) => weight(b) - weight(a));
  return html`<h2>By kind of layer</h2><div class="scroll side-by-side" tabindex="0" role="region" aria-label="by kind of layer"><table style=${{ "--columns": lines.length }}>
    <caption>MACs, and under them memory access</caption>
    <thead><tr><th scope="col">kind</th>${whats.map((what, i) => html`<th key=${lines[i]} scope="col" class="n">${words(what, uploads)}</th>`)}</tr></thead>
    <tbody>${kinds.map((kind) => html`<tr key=${kind}><th scope="row">${kind}</th>${answer.data.networks.map((n, i) => html`<td key=${lines[i]} class="n">
      <span class="amount">${METRICS.macs.show(n.by_kind[kind]?.macs ?? 0)}</span><span class="sub">${METRICS.access_bytes.show(n.by_kind[kind]?.access_bytes ?? 0)}</span></td>`)}</tr>`)}</tbody></table></div>`;
}

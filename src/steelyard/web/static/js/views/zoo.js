// The zoo as a cloud of points: any metric against any other, on a device, with the Pareto front.
import { html, useMemo } from "../html.js";
import { addressOf, change, go, useAddress } from "../address.js";
import { get } from "../api.js";
import { usePolled, useLoad } from "../load.js";
import { front } from "../charts/pareto.js";
import { Scatter } from "../charts/scatter.js";
import { METRICS } from "../metrics.js";
import { NameField } from "../parts/picker.js";
import { Trouble, Waiting } from "../parts/note.js";
import { DataTable } from "../parts/table.js";
import { counted } from "../units.js";
import { MOST } from "./compare.js";

const AXES = ["macs", "params", "peak_activation_bytes", "access_bytes", "activation_bytes", "accuracy", "latency_s", "energy_pj"];

export function Zoo() {
  const address = useAddress();
  const device = address.one("device");
  const devices = useLoad("devices", (signal) => get("devices", signal));
  const zoo = usePolled(device, () => get(`zoo${device ? `?device=${encodeURIComponent(device)}` : ""}`), (data) => (data?.complete === false ? 1500 : 3_600_000));
  const dataset = address.one("data");
  const { all, datasets } = useMemo(() => withAccuracy(zoo.data?.points ?? [], dataset), [zoo.data, dataset]);
  const there = AXES.filter((key) => all.some((p) => p[key] !== null && p[key] !== undefined));
  const pickAxis = (key, otherwise) => (there.includes(address.one(key)) ? address.one(key) : there.includes(otherwise) ? otherwise : there[0]);
  const x = useAxis(pickAxis("x", "macs"), address.one("xscale")), y = useAxis(pickAxis("y", "accuracy"), address.one("yscale"));
  const family = address.one("family"), search = address.one("q").toLowerCase();
  const points = useMemo(() => all.filter((p) => usable(x, p) && usable(y, p)), [all, x, y]);
  const best = useMemo(() => front(points, x, y), [points, x, y]);
  const marked = useMemo(() => new Set(points.filter((p) => (family || search) && (!family || p.family === family) && (!search || p.name.includes(search))).map((p) => p.name)), [points, family, search]);
  const chosen = address.one("at");
  const families = useMemo(() => [...new Set(all.map((p) => p.family))].sort(), [all]);
  return html`<h1>The zoo</h1>
    <div class="controls zoo-tools">
      <${AxisChoice} id="x" label="across" there=${there} axis=${x} />
      <${AxisChoice} id="y" label="up" there=${there} axis=${y} />
      <${NameField} id="zoo-device" label="device" names=${["", ...(devices.data?.devices ?? []).map((d) => d.name)]} value=${device} onPick=${(name) => change({ device: name })} />
      ${datasets.length > 1 && html`<label class="field">accuracy on <select value=${dataset || datasets[0]} onChange=${(e) => change({ data: e.target.value === datasets[0] ? "" : e.target.value })}>
        ${datasets.map((name) => html`<option key=${name} value=${name}>${name}</option>`)}</select></label>`}
      <label class="field">mark a family <select value=${family} onChange=${(e) => change({ family: e.target.value })}>
        <option value="">none</option>${families.map((f) => html`<option key=${f} value=${f}>${f}</option>`)}</select></label>
      <label class="field">mark names with <input type="search" value=${address.one("q")} onInput=${(e) => change({ q: e.target.value })} /></label>
    </div>
    <${Trouble} error=${zoo.error ?? devices.error} again=${zoo.error && zoo.again} />
    ${!zoo.data && !zoo.error && html`<${Waiting}>Weighing the zoo…<//>`}
    ${zoo.data?.complete === false && html`<p class="soft" role="status">${zoo.data.points.length} of ${zoo.data.of} networks are weighed; the chart fills as the others are.</p>`}
    ${points.length > 0 && html`<div class="zoo-view">
      <${Scatter} points=${points} best=${best} x=${x} y=${y} chosen=${chosen} marked=${marked} onChoose=${(name) => change({ at: name })}
        label=${`${points.length} networks, ${x.label} across, ${y.label} up`} />
      <${Card} point=${points.find((p) => p.name === chosen)} device=${device} there=${there} /></div>
      <${Front} best=${best} x=${x} y=${y} chosen=${chosen} missing=${all.length - points.length} />`}`;
}

/** Points with the accuracy published for one data set, since those of several do not compare; and the data sets there are. */
function withAccuracy(points, chosen) {
  const counts = new Map();
  for (const { accuracy } of points) if (accuracy) counts.set(accuracy.dataset, (counts.get(accuracy.dataset) ?? 0) + 1);
  const datasets = [...counts.keys()].sort((a, b) => counts.get(b) - counts.get(a));
  const wanted = datasets.includes(chosen) ? chosen : datasets[0];
  const all = points.map((p) => ({ ...p, accuracy: p.accuracy?.dataset === wanted ? p.accuracy.top1 : null, published: p.accuracy }));
  return { all, datasets };
}

const usable = (axis, point) => Number.isFinite(axis.value(point)) && (!axis.log || axis.value(point) > 0);

function useAxis(key, scale) {
  return useMemo(() => {
    const metric = METRICS[key] ?? METRICS.macs;
    return { key, ...metric, value: (p) => p[key] ?? NaN, log: key !== "accuracy" && scale !== "straight" };
  }, [key, scale]);
}

function AxisChoice({ id, label, there, axis }) {
  return html`<div class="field"><label for=${`axis-${id}`}>${label}</label><span class="row tight">
    <select id=${`axis-${id}`} value=${axis.key} onChange=${(e) => change({ [id]: e.target.value })}>
      ${there.map((key) => html`<option key=${key} value=${key}>${METRICS[key].label}</option>`)}</select>
    ${axis.key !== "accuracy" && html`<label class="tick"><input type="checkbox" checked=${axis.log} onChange=${(e) => change({ [`${id}scale`]: e.target.checked ? "" : "straight" })} /> powers of ten</label>`}</span></div>`;
}

function Card({ point, device, there }) {
  if (!point) return html`<section class="sheet" aria-label="chosen network"><h2>No network chosen</h2><p class="soft">The line is the Pareto front: no network beats one of its points in both ways.</p></section>`;
  const compared = new URLSearchParams(addressOf("compare").split("?")[1] ?? "").getAll("n");
  return html`<section class="sheet" aria-label="chosen network"><h2>${point.name}</h2>
    <p class="soft">${point.family}${point.year ? `, ${point.year}` : ""}</p>
    <dl class="facts">${there.map((key) => html`<dt key=${key}>${METRICS[key].label}</dt><dd>${METRICS[key].show(point[key])}</dd>`)}</dl>
    ${point.published && html`<p class="soft">Accuracy as published: ${[point.published.dataset, point.published.protocol, point.published.source].filter(Boolean).join("; ")}</p>`}
    <div class="row"><button type="button" class="small" onClick=${() => go("network", { n: point.name, device })}>Open</button>
      <button type="button" class="small" onClick=${() => go("compare", { n: [...compared.filter((n) => n !== point.name), point.name].slice(-MOST), device })}>Compare…</button></div></section>`;
}

function Front({ best, x, y, chosen, missing }) {
  const rows = useMemo(() => best.map((p) => ({ ...p, id: p.name })), [best]);
  const columns = [{ key: "name", label: "network" }, { key: "family", label: "family" },
    ...[x, y].map((axis) => ({ key: axis.key, label: axis.label, number: true, show: (value) => axis.show(value) }))];
  return html`<h2>On the front</h2>
    <${DataTable} caption=${`${counted(best.length, "network")}; ${missing} of the zoo without one of the two figures are not drawn`} columns=${columns} rows=${rows} chosen=${chosen} onChoose=${(name) => change({ at: name })} />`;
}

// One network: its knobs, its totals while they are turned, its graph with heat, its layers.
import { html, useEffect, useMemo, useRef, useState } from "../html.js";
import { addressOf, change, go, useAddress } from "../address.js";
import { get, post } from "../api.js";
import { useLive, useLoad } from "../load.js";
import { Trouble, Waiting } from "../parts/note.js";
import { Knob } from "../parts/knob.js";
import { NameField, NetworkPicker, useNetworks } from "../parts/picker.js";
import { Tiles } from "../parts/tiles.js";
import { ReportButton } from "../parts/reporting.js";
import { Structure } from "./structure.js";
import { knobsOfDevice, knobsOfNetwork, typed } from "../knobs.js";
import { counted, percent, si } from "../units.js";
import { body, parse, print, uploadOf, words } from "../what.js";
import { MOST } from "./compare.js";

const QUIET_MS = 350; // after the last change, before the graph is asked for anew
const FIRST = "resnet50";
const AT_FIRST = 8; // knobs that are shown unfolded

export function Network() {
  const address = useAddress();
  const networks = useNetworks();
  const what = parse(address.one("n", FIRST));
  const device = address.one("device");
  const upload = uploadOf(what.name);
  const about = useLoad(what.name, (signal) => (upload ? get(`uploads/${encodeURIComponent(upload)}`, signal) : get(`models/${encodeURIComponent(what.name)}`, signal)));
  const server = useLoad("about", (signal) => get("about", signal));
  const devices = useLoad("devices", (signal) => get("devices", signal));
  const machine = useLoad(device || null, (signal) => get(`devices/${encodeURIComponent(device)}`, signal));
  const knobs = about.fresh && (server.data || server.error) ? knobsOfNetwork(about.data, server.data?.rewrites) : null;
  const machineKnobs = machine.fresh ? knobsOfDevice(machine.data) : [];
  const settings = knobs && typed(what.settings, knobs);
  const machineSettings = typed(parse(`x;${address.one("on")}`).settings, machineKnobs);
  const asked = settings && body({ name: what.name, settings });
  const question = asked && (!device || machine.fresh || machine.error)
    ? { what: asked, ...(device && !machine.error && { device, device_knobs: machineSettings }) } : null;
  const live = useLive(what.name, question, (q, signal) => post("whatif", q, signal));
  const settled = useSettled(question);
  const graph = useLoad(settled, (signal) => post("graph", settled, signal));

  const turn = (knob, value) => change({ n: print({ name: what.name, settings: replaced(what.settings, knob, value) }) });
  const turnMachine = (knob, value) => change({ on: print({ name: "", settings: replaced(machineSettings, knob, value) }).slice(1) });
  const pick = (name) => go("network", { n: name || FIRST, device, on: address.one("on"), heat: address.one("heat") });
  const title = words(what, networks.uploads);

  return html`<div class="network-view">
    <section class="side" aria-label="network and settings">
      <h1>${words({ name: what.name, settings: {} }, networks.uploads)}</h1>
      <${Paper} about=${about.fresh ? about.data : null} />
      <${NetworkPicker} value=${what.name} onPick=${pick} networks=${networks} />
      <${Trouble} error=${about.error} />
      <${Knobs} title="Settings" knobs=${knobs ?? []} values=${what.settings} onTurn=${turn} prefix="net" />
      <h2>Device</h2>
      <${NameField} id="device" label="how long it takes at least on" names=${["", ...(devices.data?.devices ?? []).map((d) => d.name)]}
        value=${device} onPick=${(name) => change({ device: name, on: "" })} />
      ${device && html`<button type="button" class="small" onClick=${() => change({ device: "", on: "" })}>No device</button>`}
      <${Trouble} error=${machine.error ?? devices.error} />
      <${Knobs} title="" knobs=${machineKnobs} values=${machineSettings} onTurn=${turnMachine} prefix="dev" />
      <${Share} what=${what} title=${title} device=${device} />
    </section>
    <${Totals} live=${live} waiting=${!live.data && !live.error && !about.error} device=${device} />
    <${Structure} graph=${graph} address=${address} />
  </div>`;
}

function replaced(settings, knob, value) {
  const { [knob.name]: _, ...rest } = settings;
  return value === undefined || String(value) === String(knob.default) ? rest : { ...rest, [knob.name]: value };
}

/** `value` once it has not changed for a moment. */
function useSettled(value) {
  const [settled, set] = useState(null);
  const first = useRef(true);
  const key = JSON.stringify(value);
  useEffect(() => {
    if (value === null) return undefined;
    const timer = setTimeout(() => { first.current = false; set(value); }, first.current ? 0 : QUIET_MS);
    return () => clearTimeout(timer);
  }, [key]);
  return settled;
}

// where it was published; of an upload what had to be assumed
function Paper({ about }) {
  if (about?.note) return html`<p class="soft">${about.note}</p>`;
  if (!about?.paper) return null;
  const { paper } = about;
  return html`<p class="soft">${paper.title} (${paper.authors}, ${paper.year})</p>`;
}

function Knobs({ title, knobs, values, onTurn, prefix }) {
  const show = (knob) => html`<${Knob} key=${knob.name} knob=${knob} prefix=${prefix} value=${values[knob.name]} onSet=${(value) => onTurn(knob, value)} />`;
  const rest = knobs.slice(AT_FIRST);
  if (!knobs.length) return null;
  return html`${title && html`<h2>${title}</h2>`}${knobs.slice(0, AT_FIRST).map(show)}
    ${rest.length > 0 && html`<details class="more" open=${rest.some((k) => k.name in values)}><summary>${counted(rest.length, "more setting")}</summary>${rest.map(show)}</details>`}`;
}

const SHOWN = ["macs", "params", "param_bytes", "peak_activation_bytes", "access_bytes", "layers", "latency_s"];

function Totals({ live, waiting, device }) {
  const figures = useMemo(() => {
    if (!live.data) return [];
    const { now, default: before } = live.data;
    const notes = { macs: "2 FLOPs each", latency_s: `at least, on ${device}` };
    return SHOWN.filter((key) => now[key] !== undefined && now[key] !== null)
      .map((key) => ({ key, value: now[key], before: before[key], note: notes[key] }));
  }, [live.data, device]);
  return html`<section class="totals" aria-label="totals">
    <${Trouble} error=${live.error} />
    ${waiting && html`<${Waiting}>Weighing the network…<//>`}
    ${figures.length > 0 && html`<${Tiles} figures=${figures} stale=${!live.fresh} label="totals of the network" />`}
    ${device && live.data?.now.limit && html`<p class="soft">On ${device} the network takes at least ${si(live.data.now.latency_s, "s")}: limited by ${live.data.now.limit}${
      live.data.now.utilization ? `; ${percent(live.data.now.utilization)} of the peak is attainable` : ""}. What it does take is found by an <em>estimate</em>, as a job.</p>`}
  </section>`;
}

function Share({ what, title, device }) {
  const compare = () => {
    const list = new URLSearchParams(addressOf("compare").split("?")[1] ?? "").getAll("n");
    const line = print(what);
    go("compare", { n: [...list.filter((n) => n !== line), line].slice(-MOST), device });
  };
  return html`<h2>Take it along</h2><div class="row">
    <button type="button" class="small" onClick=${compare}>Compare…</button>
    <button type="button" class="small" onClick=${() => go("jobs", { network: print(what), ...(device && { device }) })}>Run a job…</button>
    <${ReportButton} whats=${[what]} devices=${device ? [device] : []} name=${title} /></div>`;
}

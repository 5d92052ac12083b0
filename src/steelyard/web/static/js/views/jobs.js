// Jobs: what is running, what ran, and the form that starts one.
import { html, useEffect, useState } from "../html.js";
import { change, useAddress } from "../address.js";
import { get, post, remove } from "../api.js";
import { useLoad, usePolled } from "../load.js";
import { Knob } from "../parts/knob.js";
import { NameField, useNetworks } from "../parts/picker.js";
import { Trouble, Waiting } from "../parts/note.js";
import { moment, si } from "../units.js";
import { typed } from "../knobs.js";
import { verbsOf } from "../verbs.js";
import { body, parse, words } from "../what.js";
import { Job } from "./job.js";

const BUSY_MS = 700, IDLE_MS = 4000;
const CLOSED = { id: "", at: "", x: "", y: "" }; // of a job that is shown
export const ACTIVE = ["queued", "running"];

export function Jobs() {
  const address = useAddress();
  const networks = useNetworks();
  const about = useLoad("about", (signal) => get("about", signal));
  const jobs = usePolled("jobs", () => get("jobs"), (data) => (data?.jobs.some((j) => ACTIVE.includes(j.state)) ? BUSY_MS : IDLE_MS));
  const chosen = address.one("id");
  const memory = about.data?.limits?.job_memory_bytes;
  const started = (job) => { change({ ...CLOSED, id: job.id }); jobs.again(); };
  return html`<h1>Jobs</h1>
    <p class="soft">What takes longer than a moment runs here, one job at a time; the page may be closed meanwhile.${memory ? ` A job may use ${si(memory, "B")} of memory.` : ""}</p>
    <div class="jobs-view">
      <section class="sheet" aria-label="a new job"><h2>A new job</h2>
        ${about.data ? html`<${Starter} verbs=${verbsOf(about.data)} address=${address} networks=${networks} onStarted=${started} />` : html`<${Waiting}>Reading what can be run…<//>`}
        <${Trouble} error=${about.error} /></section>
      <section aria-label="list of jobs"><h2>All jobs</h2><${Trouble} error=${jobs.error} />
        ${jobs.data && !jobs.data.jobs.length && html`<p class="soft">No job has run yet.</p>`}
        <ul class="job-list">${(jobs.data?.jobs ?? []).map((job) => html`<${Line} key=${job.id} job=${job} chosen=${job.id === chosen} again=${jobs.again} />`)}</ul></section>
      ${chosen && html`<${Job} key=${chosen} id=${chosen} />`}
    </div>`;
}

function Line({ job, chosen, again }) {
  const [error, setError] = useState(null);
  const [stopping, setStopping] = useState(false);
  const active = ACTIVE.includes(job.state);
  const stop = () => { setStopping(true); remove(`jobs/${job.id}`).then(again, (e) => { setStopping(false); setError(e); }); };
  return html`<li class=${chosen ? "lit" : ""}>
    <button type="button" class="link" aria-pressed=${String(chosen)} onClick=${() => change({ ...CLOSED, id: chosen ? "" : job.id })}>${job.title}</button>
    <span class=${`state ${job.state}`}>${job.state}</span>
    ${active && html`<progress max="1" value=${job.progress?.share ?? undefined} aria-label=${`progress of ${job.title}`}></progress>
      <button type="button" class="small" disabled=${stopping} onClick=${stop} aria-label=${`Cancel ${job.title}`}>${stopping ? "Cancelling…" : "Cancel"}</button>`}
    <span class="soft when">${active ? job.progress?.words ?? "" : moment(job.ended ?? job.created)}</span>
    <${Trouble} error=${error} /></li>`;
}

const FIRST = { what: "resnet50", device: "eyeriss" };

function Starter({ verbs, address, networks, onStarted }) {
  const verb = verbs.find((v) => v.verb === address.one("verb")) ?? verbs[0];
  const [values, set] = useState({});
  const [state, setState] = useState({});
  // a network or a device that another view brought along fills the first field of its kind
  useEffect(() => set({ ...brought(verb, address) }), [verb.verb]);
  const put = (name, value) => set((old) => ({ ...old, [name]: value }));
  const start = async (event) => {
    event.preventDefault();
    setState({ busy: true });
    await post("jobs", { verb: verb.verb, ...verb.body(filled(verb, values)) })
      .then((job) => { setState({}); onStarted(job); }, (error) => setState({ error }));
  };
  return html`<form noValidate onSubmit=${start}>
    <div class="field"><label for="verb">what to do</label><select id="verb" value=${verb.verb} onChange=${(e) => change({ verb: e.target.value })}>
      ${verbs.map((v) => html`<option key=${v.verb} value=${v.verb}>${v.label}</option>`)}</select></div>
    <p class="soft">${verb.doc}</p>
    ${verb.arguments.map((argument) => html`<${Argument} key=${`${verb.verb} ${argument.name}`} argument=${argument} value=${values[argument.name]} put=${put} networks=${networks} />`)}
    <${Trouble} error=${state.error} />
    <button type="submit" class="main" disabled=${Boolean(state.busy)}>Start</button></form>`;
}

function brought(verb, address) {
  const values = {};
  for (const { name, type } of verb.arguments) {
    if (type === "what" && address.one("network")) values[name] = address.one("network");
    if (type === "device" && address.one("device")) values[name] = address.one("device");
  }
  return values;
}

function filled(verb, values) {
  const result = typed(values, verb.arguments);
  for (const { name, type, default: otherwise } of verb.arguments) {
    if (type === "what") result[name] = body(parse(values[name] ?? FIRST.what));
    else if (type === "device") result[name] = values[name] ?? FIRST.device;
    else result[name] ??= otherwise;
  }
  return result;
}

function Argument({ argument, value, put, networks }) {
  const devices = useLoad(argument.type === "device" ? "devices" : null, (signal) => get("devices", signal));
  const { name, type, label } = argument;
  if (type === "what") {
    const now = value ?? FIRST.what;
    const uploads = networks.uploads.map((u) => `upload!${u.id}`);
    return html`<${NameField} id=${`arg-${name}`} label=${label} names=${[...networks.models.map((m) => m.name), ...uploads]} value=${now}
      text=${words(parse(now), networks.uploads)} onPick=${(picked) => put(name, picked)} />`;
  }
  if (type === "device") {
    const names = (devices.data?.devices ?? []).map((d) => d.name);
    return html`<${NameField} id=${`arg-${name}`} label=${label} names=${names} value=${value ?? FIRST.device} onPick=${(picked) => put(name, picked)} />`;
  }
  return html`<${Knob} knob=${argument} prefix="arg" value=${value} onSet=${(set) => put(name, set)} />`;
}

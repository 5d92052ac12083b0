// One job: how far it is, the end of its log, its result as tables.
import { html, useState } from "../html.js";
import { go } from "../address.js";
import { fetchFile, get } from "../api.js";
import { usePolled } from "../load.js";
import { Trouble, Waiting } from "../parts/note.js";
import { Result } from "../parts/result.js";
import { moment, percent } from "../units.js";
import { ACTIVE } from "./jobs.js";
import { SearchResult } from "./search.js";

const FOLLOW_MS = 700, NEVER_MS = 3_600_000;

export function Job({ id }) {
  const job = usePolled(id, () => get(`jobs/${encodeURIComponent(id)}`), (data) => (!data || ACTIVE.includes(data.state) ? FOLLOW_MS : NEVER_MS));
  const [saving, setSaving] = useState({});
  const { data } = job;
  if (!data) return html`<section class="wide" aria-label="job">${job.error ? html`<${Trouble} error=${job.error} />` : html`<${Waiting}>Opening the job…<//>`}</section>`;
  const log = [data.log ?? ""].flat().join("\n");
  const save = () => fetchFile(`jobs/${id}/report`, "steelyard-report.html").then(() => setSaving({}), (error) => setSaving({ error }));
  const active = ACTIVE.includes(data.state);
  return html`<section class="wide sheet job" aria-label="job"><h2>${data.title} <span class=${`state ${data.state}`}>${data.state}</span></h2>
    ${active && html`<p><progress max="1" value=${data.progress?.share ?? undefined} aria-label="progress"></progress> ${typeof data.progress?.share === "number" ? percent(data.progress.share) : ""} ${data.progress?.words ?? ""}</p>`}
    <p class="soft">asked for ${moment(data.created)}${data.started ? `, begun ${moment(data.started)}` : ""}${data.ended ? `, ended ${moment(data.ended)}` : ""}</p>
    ${data.state === "interrupted" && html`<p>The server ended while this job ran. Start it again, if it is still wanted.</p>`}
    <${Trouble} error=${job.error ?? saving.error} />
    ${data.message && html`<p class=${data.state === "failed" ? "warning" : ""}>${data.message}</p>`}
    ${data.unavailable && html`<p class="soft">${data.unavailable}</p>`}
    ${data.file && html`<p><button type="button" class="small" onClick=${save}>Save the report</button></p>`}
    ${data.result && html`<${data.verb === "search" ? SearchResult : Result} result=${data.result} name=${`${data.verb}-${id}`} />`}
    ${log && html`<details open=${active || data.state === "failed"}><summary>The end of its log</summary><pre class="log" tabindex="0">${log}</pre></details>`}
    <button type="button" class="small" onClick=${() => go("jobs", {})}>Close</button></section>`;
}

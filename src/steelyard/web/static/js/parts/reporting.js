// The button that saves the static report: one file that opens anywhere.
import { html, useState } from "../html.js";
import { download } from "../api.js";
import { body } from "../what.js";
import { Trouble } from "./note.js";

export function ReportButton({ whats, devices, name }) {
  const [state, set] = useState({});
  const save = async () => {
    set({ busy: true });
    const file = `${name.replace(/[^A-Za-z0-9._-]+/g, "_").slice(0, 80)}.html`;
    set(await download("report", { whats: whats.map(body), devices }, file).then(() => ({ done: file }), (error) => ({ error })));
  };
  return html`<button type="button" class="small" disabled=${Boolean(state.busy)} onClick=${save}>${state.busy ? "Writing the report…" : "Save report"}</button>
    <span class="soft" role="status">${state.done ? `saved ${state.done}` : ""}</span><${Trouble} error=${state.error} />`;
}

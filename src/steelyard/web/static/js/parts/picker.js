// Choosing a network: a name of the zoo, or a file that is uploaded.
import { html, useEffect, useRef, useState } from "../html.js";
import { get, remove, upload } from "../api.js";
import { useLoad } from "../load.js";
import { si } from "../units.js";
import { uploadOf } from "../what.js";
import { Trouble } from "./note.js";

/** Names of the zoo and uploaded files; `again` after an upload. */
export function useNetworks() {
  const [turn, next] = useState(0);
  const models = useLoad("models", (signal) => get("models", signal));
  const uploads = useLoad(["uploads", turn], (signal) => get("uploads", signal));
  return {
    models: models.data?.models ?? [],
    uploads: uploads.data?.uploads ?? [],
    error: models.error ?? uploads.error,
    again: () => next((n) => n + 1),
  };
}

/** A field that takes one of many names; a name that is typed counts at Enter, or when the field is left. */
export function NameField({ id, label, names, value, onPick, text = value }) {
  const [typed, type] = useState(null);
  const [wrong, say] = useState("");
  useEffect(() => { type(null); say(""); }, [value]);
  const entered = useRef(false); // Enter came before the names did
  useEffect(() => {
    if (typed !== null && names.length) take(typed, entered.current);
    entered.current = false;
  }, [names.length]);
  const take = (name, sure) => {
    if (!names.length) { entered.current = sure; return; }
    const found = names.find((n) => n === name.trim()) ?? (sure ? names.find((n) => n.startsWith(name.trim())) : undefined);
    if (found !== undefined) { type(null); say(""); if (found !== value) onPick(found); }
    else if (sure) say(`${name.trim()} is none of the ${names.length} names`);
  };
  return html`<div class="field"><label for=${id}>${label}</label>
    <input id=${id} list=${`${id}-names`} autocomplete="off" spellcheck=${false} value=${typed ?? text}
      aria-invalid=${wrong ? "true" : undefined} aria-describedby=${wrong ? `${id}-wrong` : undefined}
      onFocus=${(e) => e.target.select()} onInput=${(e) => { type(e.target.value); if (picked(e)) take(e.target.value, false); }}
      onKeyDown=${(e) => { if (e.key === "Enter") take(e.target.value, true); if (e.key === "Escape") type(null); }}
      onBlur=${(e) => { if (typed !== null) take(e.target.value, false); if (!wrong && names.length) type(null); }} />
    <datalist id=${`${id}-names`}>${names.map((name) => html`<option key=${name} value=${name}></option>`)}</datalist>
    ${wrong && html`<p id=${`${id}-wrong`} class="wrong" role="alert">${wrong}</p>`}</div>`;
}

// from the list of names, not typed: while one types, vgg16 may yet become vgg16_bn
const picked = (event) => !event.inputType || event.inputType === "insertReplacementText";

/** Zoo, uploads and the button that uploads; `value`: name of the network, `onPick(name)`. */
export function NetworkPicker({ value, onPick, networks, id = "network" }) {
  const { models, uploads, error, again } = networks;
  const chosen = uploadOf(value);
  const file = uploads.find((u) => u.id === chosen);
  const forget = async () => { await remove(`uploads/${chosen}`).catch(() => {}); again(); onPick(""); };
  return html`<${NameField} id=${id} label="network of the zoo" names=${models.map((m) => m.name)}
      value=${chosen ? "" : value} onPick=${onPick} />
    ${uploads.length > 0 && html`<div class="field"><label for=${`${id}-file`}>or an uploaded file</label>
      <select id=${`${id}-file`} value=${chosen} onChange=${(e) => e.target.value && onPick(`upload!${e.target.value}`)}>
        <option value="">choose…</option>
        ${uploads.map((u) => html`<option key=${u.id} value=${u.id}>${u.name}</option>`)}</select></div>`}
    <${Uploader} onDone=${(done) => { again(); onPick(`upload!${done.id}`); }} />
    ${file && html`<button type="button" class="small" onClick=${forget}>Delete ${file.name}${file.bytes ? `, ${si(file.bytes, "B")}` : ""}</button>`}
    <${Trouble} error=${error} />`;
}

/** Takes a file by button or by dropping it. */
export function Uploader({ onDone }) {
  const field = useRef(null);
  const [state, set] = useState({});
  const take = async (file) => {
    if (!file) return;
    set({ busy: file.name });
    try {
      onDone(await upload(file));
      set({});
    } catch (error) {
      set({ error });
    }
    field.current.value = "";
  };
  return html`<div class="drop" onDragOver=${(e) => e.preventDefault()} onDrop=${(e) => { e.preventDefault(); take(e.dataTransfer.files[0]); }}>
    <input ref=${field} class="file" type="file" accept=".onnx,.pt2" aria-label="upload a network, .onnx or .pt2"
      tabindex="-1" onChange=${(e) => take(e.target.files[0])} />
    <button type="button" class="small" disabled=${Boolean(state.busy)} onClick=${() => field.current.click()}>Upload .onnx or .pt2…</button>
    <span class="soft" role="status">${state.busy ? `reading ${state.busy}…` : "or drop it here"}</span>
    <${Trouble} error=${state.error} /></div>`;
}

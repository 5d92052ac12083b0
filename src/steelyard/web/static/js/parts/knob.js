// One setting that can be changed: a slider with its number, a choice, a switch or a text.
import { html, useEffect, useRef, useState } from "../html.js";
import { si } from "../units.js";

/** `value`: undefined for the default; `onSet(value)`: undefined goes back to the default. */
export function Knob({ knob, value, onSet, prefix = "knob" }) {
  const id = `${prefix}-${knob.name}`;
  const now = value ?? knob.default;
  const changed = value !== undefined && String(value) !== String(knob.default);
  const Field = FIELDS[kind(knob)] ?? Text;
  return html`<div class=${`knob ${changed ? "changed" : ""}`} title=${knob.doc}>
    <label for=${id}>${knob.label ?? knob.name}${knob.unit && html` <span class="unit">(${knob.unit})</span>`}</label>
    <${Field} id=${id} knob=${knob} value=${now} onSet=${onSet} />
    ${changed && html`<button type="button" class="reset" title=${`back to ${readable(knob, knob.default)}`}
      aria-label=${`${knob.label ?? knob.name}: back to ${readable(knob, knob.default)}`} onClick=${() => onSet(undefined)}>↺</button>`}
  </div>`;
}

const FIELDS = { int: Slider, float: Slider, number: Typed, bool: Switch, choice: Choice, ints: Several };
const kind = (knob) => (["int", "float"].includes(knob.type) && (knob.min === undefined || knob.min === null) ? "number" : knob.type);
const readable = (knob, value) => (knob.unit === "B" ? si(value, "B") : String(value ?? "none"));


function Slider({ id, knob, value: now, onSet }) {
  const log = knob.scale === "log" && knob.min > 0; // sizes double: the slider moves in powers of two
  const place = (v) => (log ? Math.log2(v) : v);
  const at = (p) => (log ? (knob.type === "int" ? Math.round(2 ** p) : 2 ** p) : p);
  const value = now ?? knob.min;
  const step = log ? 0.25 : knob.step ?? (knob.type === "int" ? 1 : (knob.max - knob.min) / 100);
  return html`<span class="slider"><input id=${id} type="range" aria-label=${/-\d+$/.test(id) ? knob.label : undefined} min=${place(knob.min)} max=${place(knob.max)} step=${step}
      value=${place(Number(value))} aria-valuetext=${readable(knob, value)} onInput=${(e) => onSet(at(Number(e.target.value)))} />
    <${Typed} id=${`${id}-number`} knob=${knob} value=${now} onSet=${onSet} /></span>`;
}

/** A number that is typed; it counts when the field is left or Enter is pressed. */
function Typed({ id, knob, value, onSet }) {
  const [text, write] = useState(null);
  const done = () => {
    const number = Number(text);
    if (text !== null && text.trim() !== "" && Number.isFinite(number)) onSet(knob.type === "int" ? Math.round(number) : number);
    write(null);
  };
  return html`<input id=${id} class="number" inputmode="decimal" aria-label=${`${knob.label ?? knob.name}, typed`}
    value=${text ?? short(value)} onInput=${(e) => write(e.target.value)} onBlur=${done}
    onKeyDown=${(e) => e.key === "Enter" && done()} />`;
}

const short = (value) => (value === null || value === undefined ? "" : typeof value === "number" ? String(Number(value.toPrecision(6))) : String(value));

/** A list of whole numbers, such as the depths of stages: a slider for each. */
function Several({ id, knob, value, onSet }) {
  const items = Array.isArray(value) ? value : String(value ?? "").split(",").map(Number);
  const put = (i, item) => onSet(items.map((old, at) => (at === i ? item : old)));
  return html`<span id=${id} class="several" role="group" aria-label=${knob.label}>${items.map((item, i) => html`<${Slider} key=${i} id=${`${id}-${i}`}
    knob=${{ ...knob, type: "int", name: `${knob.name} ${i + 1}`, label: `${knob.label}, number ${i + 1} of ${items.length}` }} value=${item} onSet=${(v) => put(i, v)} />`)}</span>`;
}

function Switch({ id, value, onSet }) {
  return html`<input id=${id} type="checkbox" checked=${value === true || value === "true"} onChange=${(e) => onSet(e.target.checked)} />`;
}

function Choice({ id, knob, value, onSet }) {
  return html`<select id=${id} value=${String(value)} onChange=${(e) => onSet(knob.choices.find((c) => String(c) === e.target.value))}>
    ${knob.choices.map((c) => html`<option key=${c} value=${String(c)}>${c === "" || c === null ? knob.none ?? "none" : String(c)}</option>`)}</select>`;
}

function Text({ id, knob, value, onSet }) {
  const field = useRef(null);
  useEffect(() => { field.current.value = short(value); }, [value]);
  return html`<input id=${id} ref=${field} type="text" placeholder=${knob.placeholder ?? ""} autocomplete="off"
    onChange=${(e) => onSet(e.target.value === "" ? undefined : e.target.value)} />`;
}

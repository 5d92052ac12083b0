// The graph as SVG: a tree for the keyboard, blocks that open, heat by a metric.
import { html, useLayoutEffect, useMemo, useRef, useState } from "../html.js";
import { METRICS } from "../metrics.js";
import { percent } from "../units.js";
import { HEADING, pathOf, place } from "./layout.js";
import { isBlock, most, pathTo, seen } from "./tree.js";

const ZOOMS = [0.4, 0.55, 0.75, 1, 1.3];

/** `open`: Set of ids; `chosen`: id; `onOpen(id, wanted)`, `onChoose(id)`. */
export function Drawing({ tree, total, open, chosen, heat, onOpen, onChoose, tools }) {
  const [zoom, setZoom] = useState(3);
  const box = useRef(null);
  const placed = useMemo(() => place(tree, open), [tree, open]);
  const top = useMemo(() => most(tree, open, heat), [tree, open, heat]);
  const order = useMemo(() => seen(tree, open), [tree, open]);
  const current = order.includes(chosen) ? chosen : order[0];
  const keep = useKeptPlace(box, placed, current, ZOOMS[zoom]);
  const act = { tree, total, open, heat, top, current, chosen,
    choose: onChoose, toggle: (id) => { keep(id); onOpen(id, !open.has(id)); onChoose(id); } };
  const walk = (event) => keyed(event, act, order, (id) => { onChoose(id); focus(box.current, id); });
  const { width, height } = placed;
  return html`<div class="graph">
    <div class="controls">${tools}<span class="zoom" role="group" aria-label="zoom">
      <button type="button" class="small" disabled=${zoom === 0} onClick=${() => { keep(current); setZoom(zoom - 1); }} aria-label="smaller">−</button>
      <button type="button" class="small" disabled=${zoom === ZOOMS.length - 1} onClick=${() => { keep(current); setZoom(zoom + 1); }} aria-label="larger">+</button></span></div>
    <div class="canvas" ref=${box}>
      <svg width=${Math.ceil(width * ZOOMS[zoom])} height=${Math.ceil(height * ZOOMS[zoom])} viewBox=${`0 0 ${Math.ceil(width)} ${Math.ceil(height)}`}
        role="tree" aria-label="blocks and layers" onKeyDown=${walk}>
        <defs><marker id="tip-of-edge" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0,0.8L7.5,4L0,7.2z" /></marker></defs>
        <${Level} placed=${placed} act=${act} level=${1} />
      </svg></div></div>`;
}

function Level({ placed, act, level }) {
  return html`<g role="presentation" aria-hidden="true">${placed.edges.map((edge) => html`<path key=${edge.key} class="edge" d=${pathOf(edge.points)}
      marker-end=${edge.ends ? "url(#tip-of-edge)" : undefined} />`)}</g>
    ${placed.nodes.map((at) => html`<${Node} key=${at.id} at=${at} act=${act} level=${level} />`)}`;
}

function Node({ at, act, level }) {
  const node = act.tree.byId.get(at.id);
  const block = isBlock(act.tree, at.id), opened = Boolean(at.inner);
  const value = node[act.heat] ?? 0;
  const share = act.total[act.heat] ? value / act.total[act.heat] : 0;
  const metric = METRICS[act.heat];
  const told = `${node.label}, ${node.kind}, ${metric.show(value)} ${metric.label}, ${percent(share)}`;
  const press = (event) => {
    event.stopPropagation();
    if (block) act.toggle(at.id); else act.choose(at.id);
  };
  return html`<g transform=${`translate(${at.x.toFixed(1)},${at.y.toFixed(1)})`} class=${`node ${block ? "block" : "leaf"} ${opened ? "open" : ""} ${act.chosen === at.id ? "chosen" : ""}`}
      role="treeitem" aria-level=${level} aria-expanded=${block ? String(opened) : undefined} aria-selected=${String(act.chosen === at.id)}
      aria-label=${told} tabindex=${act.current === at.id ? 0 : -1} data-id=${at.id} onClick=${press}
      onFocus=${(e) => { e.stopPropagation(); if (act.chosen !== at.id) act.choose(at.id); }}>
    <title>${told}</title>
    <rect class="face" width=${at.width} height=${at.height} rx="5" style=${opened ? undefined : { "--heat": act.top ? Math.sqrt(value / act.top).toFixed(3) : "0" }} />
    ${opened ? html`<text x="9" y="18" class="label">▾ ${shorten(node.label, at.width / 7.4 - 9)}</text>
        <text x=${at.width - 8} y="18" class="value" text-anchor="end">${percent(share)}</text>
        <g role="group" transform=${`translate(${((at.width - at.inner.width) / 2).toFixed(1)},${HEADING})`}><${Level} placed=${at.inner} act=${act} level=${level + 1} /></g>`
    : html`<rect class=${`family ${node.family ?? "none"}`} width="5" height=${at.height} rx="2" />
        <text x="12" y="18" class="label">${block ? "▸ " : ""}${shorten(node.label, 23)}</text>
        <text x="12" y="35" class="detail">${shorten(node.detail ?? node.kind, 15)}</text>
        <text x=${at.width - 7} y="35" class="value" text-anchor="end">${value ? metric.show(value) : ""}</text>`}
  </g>`;
}

const shorten = (text, most) => (text.length > most ? `${text.slice(0, Math.max(1, most - 1))}…` : text);

// Arrow keys walk as in any tree: up and down what is seen, right opens, left closes or goes out.
function keyed(event, act, order, to) {
  const { tree, open, current } = act;
  const at = order.indexOf(current);
  const block = isBlock(tree, current);
  const moves = {
    ArrowDown: () => to(order[Math.min(at + 1, order.length - 1)]),
    ArrowUp: () => to(order[Math.max(at - 1, 0)]),
    Home: () => to(order[0]),
    End: () => to(order.at(-1)),
    ArrowRight: () => (block && !open.has(current) ? act.toggle(current) : block && to(order[at + 1])),
    ArrowLeft: () => (open.has(current) ? act.toggle(current) : pathTo(tree, current).at(-2) && to(pathTo(tree, current).at(-2))),
    Enter: () => (block ? act.toggle(current) : act.choose(current)),
    " ": () => (block ? act.toggle(current) : act.choose(current)),
  };
  if (!moves[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  moves[event.key]();
}

const find = (box, id) => box?.querySelector(`[data-id="${CSS.escape(id)}"]`);
const focus = (box, id) => requestAnimationFrame(() => find(box, id)?.focus());

/** After a block opens or closes its heading stays where it was pressed; so does what is chosen at another zoom. */
function useKeptPlace(box, placed, current, zoom) {
  const before = useRef(null);
  useLayoutEffect(() => {
    const held = before.current;
    before.current = null;
    const node = find(box.current, held?.id ?? current);
    if (!node) return;
    const now = node.getBoundingClientRect(), seen = box.current.getBoundingClientRect();
    if (held) {
      box.current.scrollTop += now.top - held.top;
      box.current.scrollLeft += now.left - held.left;
    } else { // a drawing that was just made: what is chosen stands in the middle
      box.current.scrollLeft += now.left + now.width / 2 - seen.left - seen.width / 2;
      box.current.scrollTop += now.top - seen.top - 60;
    }
  }, [placed, zoom]);
  return (id) => {
    const rect = find(box.current, id)?.getBoundingClientRect();
    before.current = rect && { id, top: rect.top, left: rect.left };
  };
}

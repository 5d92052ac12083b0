// A cloud of named points with its Pareto front; pointer and arrow keys tell each point.
import { html, useMemo } from "../html.js";
import { Axes, areaOf, useWidth } from "./frame.js";
import { scaleOf } from "./scales.js";

const NEAR = 26; // pixels from a point that the pointer may be
const MARGIN = 0.02; // so that no point lies on the rim
const LABELS = 9; // names along the front

/** `x`, `y`: {label, value(point), show(value), log}; `points`: [{name}]; `best`: those on the front; `marked`: names; `line`: what the line goes along. */
export function Scatter({ points, best, line = best, x, y, chosen, marked, onChoose, label }) {
  const [box, width] = useWidth();
  const height = Math.round(Math.min(520, Math.max(300, width * 0.56)));
  const drawn = useMemo(() => {
    const across = scaleOf(points.map(x.value), x.log, MARGIN), up = scaleOf(points.map(y.value), y.log, MARGIN);
    const area = areaOf(width, height, across, up);
    const at = points.map((p) => ({ point: p, name: p.name, cx: area.x(x.value(p)), cy: area.y(y.value(p)) }));
    at.sort((a, b) => a.cx - b.cx || a.cy - b.cy);
    return { area, across, up, at };
  }, [points, x, y, width, height]);
  const { area, at } = drawn;
  const onFront = useMemo(() => new Set(best.map((p) => p.name)), [best]);
  const here = at.find((spot) => spot.name === chosen);
  const nearest = (event) => {
    const rect = event.currentTarget.getBoundingClientRect();
    const px = event.clientX - rect.left, py = event.clientY - rect.top;
    let found = null, least = NEAR ** 2;
    for (const spot of at) {
      const d = (spot.cx - px) ** 2 + (spot.cy - py) ** 2;
      if (d < least) { least = d; found = spot; }
    }
    return found;
  };
  const walk = (event) => {
    const i = at.findIndex((spot) => spot.name === chosen);
    const to = { ArrowRight: i + 1, ArrowLeft: i - 1, Home: 0, End: at.length - 1 }[event.key];
    if (to === undefined || !at.length) return;
    event.preventDefault();
    onChoose(at[Math.max(0, Math.min(at.length - 1, to))].name);
  };
  const tell = (spot) => `${spot.name}: ${x.show(x.value(spot.point))} ${x.label}, ${y.show(y.value(spot.point))} ${y.label}`;
  return html`<div class="plot-box" ref=${box}>
    <svg class="plot" width=${width} height=${height} role="application" tabindex="0" aria-roledescription="scatter chart"
      aria-label=${`${label}; arrow keys go from point to point`} onKeyDown=${walk} onClick=${(e) => { const spot = nearest(e); if (spot) onChoose(spot.name); }}>
      <${Axes} area=${area} x=${drawn.across} y=${drawn.up} xLabel=${x.label} yLabel=${y.label} showX=${x.show} showY=${y.show} />
      <polyline class="front" points=${line.map((p) => `${area.x(x.value(p)).toFixed(1)},${area.y(y.value(p)).toFixed(1)}`).join(" ")} />
      ${at.map((spot) => html`<circle key=${spot.name} class=${`dot ${onFront.has(spot.name) ? "best" : ""} ${marked.has(spot.name) ? "marked" : ""}`}
        cx=${spot.cx.toFixed(1)} cy=${spot.cy.toFixed(1)} r=${onFront.has(spot.name) ? 5 : 4}><title>${tell(spot)}</title></circle>`)}
      <${Names} spots=${at.filter((spot) => onFront.has(spot.name))} width=${width} />
      ${here && html`<circle class="here" cx=${here.cx.toFixed(1)} cy=${here.cy.toFixed(1)} r="9" />`}
    </svg><p class="told" role="status">${here ? tell(here) : "Choose a point: click it, or use the arrow keys."}</p></div>`;
}

// names on the front, as many as have room
function Names({ spots, width }) {
  const shown = [];
  const every = Math.max(1, Math.ceil(spots.length / LABELS));
  spots.forEach((spot, i) => {
    const wide = spot.name.length * 6.3, right = spot.cx + wide + 16 > width;
    const at = { left: right ? spot.cx - wide - 8 : spot.cx + 8, y: spot.cy - 7, wide };
    const free = shown.every((o) => Math.abs(o.y - at.y) > 13 || o.left > at.left + at.wide || at.left > o.left + o.wide);
    if (i % every === 0 && free && at.left > 74) shown.push({ ...at, name: spot.name });
  });
  return html`<g aria-hidden="true">${shown.map((s) => html`<text key=${s.name} class="name" x=${s.left.toFixed(1)} y=${s.y.toFixed(1)}>${s.name}</text>`)}</g>`;
}

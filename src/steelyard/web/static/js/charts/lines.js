// Curves over one axis: of a training run, by epoch.
import { html, useMemo } from "../html.js";
import { Axes, areaOf, useWidth } from "./frame.js";
import { scaleOf } from "./scales.js";

/** `curves`: [{key, label, points: [[x, y]]}], at most four; one chart, one unit. */
export function Lines({ title, unit, xLabel, curves }) {
  const [box, width] = useWidth(420);
  const height = 250;
  const drawn = useMemo(() => {
    const points = curves.flatMap((curve) => curve.points);
    const x = scaleOf(points.map((p) => p[0]), false), y = scaleOf(points.map((p) => p[1]), false);
    return { x, y, area: areaOf(width, height, x, y) };
  }, [curves, width]);
  const show = (v) => String(Number(v.toPrecision(4)));
  const last = curves.map((c) => `${c.label} ${c.points.length ? show(c.points.at(-1)[1]) : "–"}`).join(", ");
  return html`<figure class="lines"><figcaption>${title}${unit && html` <span class="soft">(${unit})</span>`}
    <span class="keys">${curves.map((c, i) => html`<span key=${c.key}><i class=${`key line${i}`}></i>${c.label}</span>`)}</span></figcaption>
    <div class="plot-box" ref=${box}><svg class="plot" width=${width} height=${height} role="img" aria-label=${`${title}; at the end ${last}`}>
      <${Axes} area=${drawn.area} x=${drawn.x} y=${drawn.y} xLabel=${xLabel} yLabel=${unit || title} showX=${show} showY=${show} />
      ${curves.map((c, i) => html`<polyline key=${c.key} class=${`curve line${i}`} points=${c.points.map((p) => `${drawn.area.x(p[0]).toFixed(1)},${drawn.area.y(p[1]).toFixed(1)}`).join(" ")} />`)}
    </svg></div></figure>`;
}

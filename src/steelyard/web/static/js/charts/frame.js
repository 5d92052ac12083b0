// The frame of a chart with two axes: its width on the page, ticks, rules and labels.
import { html, useEffect, useRef, useState } from "../html.js";

const EDGE = { left: 72, right: 24, top: 12, bottom: 44 };

/** The width that an element has, followed while it changes: [ref, width]. */
export function useWidth(first = 640) {
  const box = useRef(null);
  const [width, set] = useState(first);
  useEffect(() => {
    const watch = new ResizeObserver(([entry]) => set(Math.max(240, Math.floor(entry.contentRect.width))));
    watch.observe(box.current);
    return () => watch.disconnect();
  }, []);
  return [box, width];
}

/** Places in pixels for two scales in a chart of `width` by `height`. */
export function areaOf(width, height, x, y) {
  const across = width - EDGE.left - EDGE.right, up = height - EDGE.top - EDGE.bottom;
  return { width, height, x: (v) => EDGE.left + x.at(v) * across, y: (v) => EDGE.top + (1 - y.at(v)) * up };
}

export function Axes({ area, x, y, xLabel, yLabel, showX, showY }) {
  const bottom = area.height - EDGE.bottom;
  const room = Math.max(2, Math.floor((area.width - EDGE.left) / 62));
  const every = Math.ceil(x.ticks.length / room);
  return html`<g class="axes" aria-hidden="true">
    ${y.ticks.map((t) => html`<g key=${`y${t}`}><line x1=${EDGE.left} x2=${area.width - EDGE.right} y1=${area.y(t)} y2=${area.y(t)} />
      <text x=${EDGE.left - 6} y=${area.y(t) + 4} text-anchor="end">${showY(t)}</text></g>`)}
    ${x.ticks.map((t, i) => html`<g key=${`x${t}`}><line x1=${area.x(t)} x2=${area.x(t)} y1=${EDGE.top} y2=${bottom} />
      ${i % every === 0 && html`<text x=${area.x(t)} y=${bottom + 16} text-anchor="middle">${showX(t)}</text>`}</g>`)}
    <text class="title" x=${(EDGE.left + area.width) / 2} y=${area.height - 8} text-anchor="middle">${xLabel}</text>
    <text class="title" transform=${`translate(13,${(EDGE.top + bottom) / 2}) rotate(-90)`} text-anchor="middle">${yLabel}</text></g>`;
}

// The Pareto front: points that no other beats in one way without losing in the other.

/** Of `points` those on the front, from left to right; `x`, `y`: {value(point), better: "less" or "more"}. */
export function front(points, x, y) {
  const sign = (axis) => (axis.better === "less" ? 1 : -1);
  const cost = (axis, point) => sign(axis) * axis.value(point);
  const sorted = [...points].sort((a, b) => cost(x, a) - cost(x, b) || cost(y, a) - cost(y, b));
  const kept = [];
  let best = Infinity;
  for (const point of sorted) {
    if (cost(y, point) < best) { kept.push(point); best = cost(y, point); }
  }
  return kept.sort((a, b) => x.value(a) - x.value(b));
}

// From values to places along an axis, straight or by powers of ten, and the round values that are marked.

/** {at(value) -> 0..1, ticks, log} over `values`, by powers of ten where asked; `margin`: share of the span left free. */
export function scaleOf(values, log, margin = 0) {
  const found = values.filter((v) => v !== null && v !== undefined && Number.isFinite(v) && (!log || v > 0));
  if (!found.length) return { at: () => 0, ticks: [], log: false };
  let low = Math.min(...found), high = Math.max(...found);
  if (low === high && !log) { // one value: it stands in the middle
    low -= Math.abs(low) / 4 || 1;
    high += Math.abs(high) / 4 || 1;
  }
  return log ? powers(low, high) : straight(low, high, margin);
}

function straight(low, high, margin) {
  const span = high - low;
  const step = nice(span / 5);
  const from = Math.floor((low - span * margin) / step) * step, to = Math.ceil((high + span * margin) / step) * step;
  const ticks = [];
  for (let i = 0; from + i * step <= to + step / 2; i += 1) ticks.push(Number((from + i * step).toPrecision(12)));
  return { at: (v) => (v - from) / (to - from), ticks, log: false };
}

function powers(low, high) {
  const from = Math.log10(low) - 0.06, to = Math.log10(high) + 0.06;
  const wide = to - from;
  const steps = wide > 4 ? [1] : wide > 1.6 ? [1, 3] : wide > 0.7 ? [1, 2, 5] : [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8];
  const ticks = [];
  for (let power = Math.floor(from); power <= to; power += 1) {
    for (const step of steps) {
      const value = step * 10 ** power, place = Math.log10(value);
      if (place >= from && place <= to) ticks.push(Number(value.toPrecision(6)));
    }
  }
  return { at: (v) => (Math.log10(v) - from) / (to - from || 1), ticks, log: true };
}

function nice(step) {
  const power = 10 ** Math.floor(Math.log10(step));
  return [1, 2, 5, 10].find((s) => s * power >= step * 0.999) * power;
}

// Numbers as people read them, in the same words as the command line: 4.09 G, 102 MB, 12.5 ms.
const UP = [[1e15, "P"], [1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""]];
const DOWN = [[1e-3, "m"], [1e-6, "µ"], [1e-9, "n"], [1e-12, "p"]];

/** `value` with an SI prefix and three significant digits; "–" for what is not known. */
export function si(value, unit = "") {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (value === 0) return `0 ${unit}`.trim();
  if (value < 0) return `−${si(-value, unit)}`;
  const small = !Number.isInteger(value) || unit === "s" || unit === "J";
  const scales = small ? [...UP, ...DOWN] : UP;
  const rounded = Number(value.toPrecision(3));
  const [factor, prefix] = scales.find(([f]) => rounded >= f) ?? scales.at(-1);
  const text = prefix === "" && Number.isInteger(value) ? String(value) : plain(rounded / factor);
  return `${text} ${prefix}${unit}`.trim();
}

function plain(value) {
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return value.toFixed(digits);
}

/** A share as percent: 12.3 %. */
export const percent = (share) => (share === null || share === undefined ? "–" : `${(100 * share).toFixed(1)} %`);

/** How `value` differs from `from`: "−25.3 %", "" where they are the same. */
export function difference(value, from) {
  if (!from || value === null || value === undefined || value === from) return "";
  const share = value / from - 1;
  if (share >= 9) return `${(value / from).toPrecision(2)} times`;
  return `${share < 0 ? "−" : "+"}${Math.abs(100 * share).toFixed(1)} %`;
}

/** A moment as date and time of day, from seconds since 1970 or an ISO text. */
export function moment(when) {
  if (when === null || when === undefined || when === "") return "–";
  const date = new Date(typeof when === "number" ? when * 1000 : when);
  return Number.isNaN(date.getTime()) ? String(when) : date.toLocaleString([], { dateStyle: "medium", timeStyle: "medium" });
}

/** "1 network", "2 networks". */
export const counted = (number, noun) => `${exact(number)} ${noun}${number === 1 ? "" : "s"}`;

/** A number with thousands separated. */
export const exact = (value) => value.toLocaleString("en");

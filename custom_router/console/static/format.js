// How numbers and times are written. Unknown is always an en dash, never zero.

const DASH = "–";
const count = new Intl.NumberFormat("en");
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

export const known = (value) => typeof value === "number" && Number.isFinite(value);

/** 12,345 */
export const number = (value) => (known(value) ? count.format(value) : DASH);
/** 12.3K */
export const short = (value) => (known(value) ? (Math.abs(value) < 10_000 ? count.format(value) : compact.format(value)) : DASH);

/** Dollars with as many digits as they deserve: $1,234.50, $0.045, $0.000012. */
export function money(value) {
  if (!known(value)) return DASH;
  const size = Math.abs(value);
  const sign = value < 0 ? "−" : "";
  if (size === 0) return "$0";
  if (size >= 0.995) return `${sign}$${size.toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`;
  const digits = (size >= 0.01 ? 2 : 1) - Math.floor(Math.log10(size));
  return `${sign}$${size.toFixed(Math.min(9, digits))}`;
}

/** A share of 0..1 as 12.3 %. */
export function percent(value) {
  if (!known(value)) return DASH;
  const shown = value * 100;
  return `${(Math.abs(shown) >= 10 || shown === 0 ? Math.round(shown) : Number(shown.toFixed(1))).toLocaleString("en")} %`.replace("-", "−");
}

export const share = (part, whole) => (known(part) && known(whole) && whole > 0 ? part / whole : null);

/** Milliseconds: 4.2 ms, 320 ms, 1.4 s. */
export function ms(value) {
  if (!known(value)) return DASH;
  if (value >= 10_000) return `${Math.round(value / 1000)} s`;
  if (value >= 1000) return `${(value / 1000).toFixed(1)} s`;
  return `${value >= 10 ? Math.round(value) : Number(value.toFixed(value < 1 ? 2 : 1))} ms`;
}

/** A probability or similarity: 0.83. */
export const score = (value, digits = 2) => (known(value) ? value.toFixed(digits) : DASH);

/** Seconds as 40 s, 12 min, 5 h, 3 d. */
export function age(seconds) {
  if (!known(seconds)) return DASH;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 129_600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const minute = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const full = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });

const date = (value) => {
  const made = new Date(typeof value === "number" ? value * 1000 : value);
  return value === null || value === undefined || Number.isNaN(made.getTime()) ? null : made;
};
export const timeOfDay = (value) => (date(value) ? clock.format(date(value)) : DASH);
export const moment = (value) => (date(value) ? full.format(date(value)) : DASH);

/** The label of a point of time on an axis whose points are `step` ms apart and which spans `span` ms. */
export const tick = (value, span) => {
  const made = date(value);
  if (!made) return "";
  if (span > 2 * 86_400_000) return day.format(made);
  return (span < 180_000 ? clock : minute).format(made);
};

/** 1 request, 2 requests. */
export const plural = (n, one, many = `${one}s`) => `${number(n)} ${n === 1 ? one : many}`;

/** snake_case as words. */
export const words = (name) => String(name ?? DASH).replaceAll("_", " ");

/** Numbers, dates, cells and texts in a readable form. */

import type { Column } from "../format";

const GROUPED = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0, useGrouping: false });
const formats = new Map<number, Intl.NumberFormat>();

/** Return a number with `digits` significant digits: 0.1235, 12.35, 12,346, 1.235e-7. NaN and null are "missing". */
export function number(value: number | null | undefined, digits = 4): string {
  if (value === null || value === undefined || Number.isNaN(value)) return "missing";
  if (!Number.isFinite(value)) return value > 0 ? "infinite" : "-infinite";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e15 || size < 1e-4)
    return value
      .toExponential(digits - 1)
      .replace(/\.?0+e/, "e")
      .replace("e+", "e");
  // Digits before the point are never rounded away. Four-digit whole numbers such as years get no comma.
  if (size >= 9999.5) return GROUPED.format(value);
  if (Number.isInteger(value) || size >= 10 ** (digits - 1)) return WHOLE.format(value);
  let format = formats.get(digits);
  if (!format)
    formats.set(
      digits,
      (format = new Intl.NumberFormat("en", { maximumSignificantDigits: digits, useGrouping: false })),
    );
  return format.format(value);
}

/** Return a range, with no more digits than its width needs: "0 to 1", "-1.05 to 1.03". */
export function range(low: number, high: number, digits = 3): string {
  const step = 10 ** (Math.floor(Math.log10(high - low || Math.abs(high) || 1)) - digits + 1);
  const rounded = (value: number) => number(Number((Math.round(value / step) * step).toPrecision(12)), 12);
  return `${rounded(low)} to ${rounded(high)}`;
}

/** Return a whole number with commas: 1,234. */
export function count(value: number): string {
  return GROUPED.format(value);
}

/** Return a count with its noun: "1 row", "10,000 rows". `many` is the plural if it is not `one` with an s. */
export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** Return a share as percent: "41 %", "0.3 %". */
export function percent(share: number | null): string {
  if (share === null || Number.isNaN(share)) return "missing";
  const value = share * 100;
  const size = Math.abs(value);
  return `${value.toFixed(size === 0 || size >= 10 ? 0 : size < 1 ? 2 : 1)} %`;
}

/** Return a size in bytes: "1.2 MB". */
export function bytes(size: number): string {
  if (size < 1000) return plural(size, "byte");
  const units = ["kB", "MB", "GB", "TB"];
  let value = size / 1000;
  let at = 0;
  while (value >= 999.5 && at < units.length - 1) {
    value /= 1000;
    at++;
  }
  return `${value < 9.95 ? value.toFixed(1) : value.toFixed(0)} ${units[at]}`;
}

/** Return a duration: "12 s", "3 min 20 s", "2 h 5 min". */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "unknown";
  if (seconds < 10) return `${number(seconds, 2)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${whole % 60} s`;
  return `${count(Math.floor(minutes / 60))} h ${minutes % 60} min`;
}

/** Return seconds since 1970 as a date: "2024-05-03", with `time` "2024-05-03 14:05:09" (UTC). */
export function date(seconds: number, time = false): string {
  if (Number.isNaN(seconds)) return "missing";
  const moment = new Date(seconds * 1000);
  if (Number.isNaN(moment.getTime())) return number(seconds);
  const text = moment.toISOString();
  const at = text.indexOf("T");
  return time ? `${text.slice(0, at)} ${text.slice(at + 1, at + 9)}` : text.slice(0, at);
}

/** Return the value of a cell in words: levels, dates, yes and no. NaN and null are "missing". */
export function cell(column: Column | undefined, value: number | string | null): string {
  if (value === null) return "missing";
  if (typeof value === "string") return value;
  if (Number.isNaN(value)) return "missing";
  if (!column) return number(value);
  if (column.kind === "category") return column.levels?.[Math.round(value)] ?? `level ${value}`;
  if (column.kind === "date") return date(value, column.time);
  if (column.kind === "boolean") return value > 0.5 ? "yes" : "no";
  return number(value);
}

/** Return a text with a capital letter at its beginning. */
export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Return a text that is short enough for a tooltip or a drawing; a longer one ends with an ellipsis. */
export function short(text: string, most = 300): string {
  if (text.length <= most) return text;
  return `${Array.from(text.slice(0, most * 2))
    .slice(0, most - 1)
    .join("")}…`;
}

/** Scales of charts: ticks, linear and logarithmic. */

export interface Scale {
  low: number;
  high: number;
  log: boolean;
  ticks: number[];
  /** Where a value lies: 0 at low, 1 at high. */
  share(value: number): number;
}

/** Return about `about` round numbers in [low, high]: steps of 1, 2 or 5 times a power of ten. */
export function ticks(low: number, high: number, about = 5): number[] {
  const span = high - low;
  if (!(span > 0) || !Number.isFinite(span)) return [low];
  const rough = span / Math.max(about, 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((times) => times * power).find((size) => size >= rough * 0.999) ?? 10 * power;
  const found: number[] = [];
  for (let at = Math.ceil(low / step - 1e-9); at * step <= high + step * 1e-9; at++) {
    found.push(Number((at * step).toPrecision(12)));
  }
  return found;
}

/** Return powers of ten in [low, high]; if there are few, also 2 and 5 times these. */
export function logTicks(low: number, high: number): number[] {
  const found: number[] = [];
  const decades = Math.log10(high / low);
  const times = decades > 2.5 ? [1] : [1, 2, 5];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
    for (const factor of times) {
      const tick = Number(`${factor}e${power}`);
      if (tick >= low * 0.999 && tick <= high * 1.001) found.push(tick);
    }
  }
  const every = Math.ceil(found.length / 7);
  return every > 1 ? found.filter((_, at) => at % every === 0) : found;
}

/** Return the scale of values: logarithmic if all are positive and they span more than two decades. */
export function scaleOf(
  values: Iterable<number>,
  options: { log?: boolean; zero?: boolean; about?: number } = {},
): Scale {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low > high) [low, high] = [0, 1];
  const log = options.log ?? (!options.zero && low > 0 && high / low > 100);
  if (log) {
    const base = Math.log(low);
    const span = Math.log(high) - base || 1;
    return { low, high, log, ticks: logTicks(low, high), share: (value) => (Math.log(value) - base) / span };
  }
  if (options.zero) {
    low = Math.min(low, 0);
    high = Math.max(high, 0);
  }
  if (low === high) {
    // A constant lies in the middle of the chart.
    const room = Math.abs(low) * 0.5 || 1;
    low -= room;
    high += room;
  }
  const span = high - low;
  return { low, high, log, ticks: ticks(low, high, options.about), share: (value) => (value - low) / span };
}

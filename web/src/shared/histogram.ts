/** Counts of values in bins. */

export interface Bins {
  low: number;
  high: number;
  counts: number[];
  /** The number of missing values, which are in no bin. */
  missing: number;
}

/** Return the counts of values in `bins` bins of equal width between the smallest and the largest. */
export function binsOf(values: ArrayLike<number>, bins = 40): Bins {
  let low = Infinity;
  let high = -Infinity;
  let missing = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (!Number.isFinite(value)) missing++;
    else {
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  const counts = new Array<number>(bins).fill(0);
  if (low > high) return { low: 0, high: 1, counts, missing };
  const span = high - low;
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (Number.isFinite(value)) counts[span > 0 ? Math.min(Math.floor(((value - low) / span) * bins), bins - 1) : 0]++;
  }
  return { low, high, counts, missing };
}

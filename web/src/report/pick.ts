/** Which rows the report shows: those with the smallest, the median and the largest errors. */

export interface Picked {
  best: number[];
  typical: number[];
  worst: number[];
  /** The median of the errors. */
  median: number;
}

/**
 * Return `most` rows of each kind, no row twice. Best rows begin with the smallest error, worst rows with the largest,
 * typical rows with the one nearest to the median. Rows without an error are left out.
 */
export function pickRows(errors: ArrayLike<number>, most = 8): Picked {
  let sorted = new Float64Array(errors.length);
  let count = 0;
  for (let row = 0; row < errors.length; row++) if (!Number.isNaN(errors[row])) sorted[count++] = errors[row];
  sorted = sorted.subarray(0, count).sort();
  const middle = Math.floor(count / 2);
  const ends = Math.min(most, middle);
  const median = count ? sorted[middle] : NaN;
  // The rows around the middle that are neither best nor worst.
  const from = Math.max(ends, Math.min(middle - Math.floor(most / 2), count - ends - most));
  const around = ranked(errors, sorted, from, Math.min(from + most, count - ends));
  return {
    best: ranked(errors, sorted, 0, ends),
    typical: around.sort((a, b) => Math.abs(errors[a] - median) - Math.abs(errors[b] - median) || a - b),
    worst: ranked(errors, sorted, count - ends, count).reverse(),
    median,
  };
}

/** Return the rows of some ranks in the order of (error, row). Only they are sorted by row: there may be a million. */
function ranked(errors: ArrayLike<number>, sorted: Float64Array, from: number, to: number): number[] {
  if (to <= from) return [];
  const low = sorted[from];
  const high = sorted[to - 1];
  const found: number[] = [];
  for (let row = 0; row < errors.length; row++) if (errors[row] >= low && errors[row] <= high) found.push(row);
  found.sort((a, b) => errors[a] - errors[b] || a - b);
  const first = from - sorted.indexOf(low); // rows with the same error as the first, but before it
  return found.slice(first, first + to - from);
}

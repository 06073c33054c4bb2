/** Which rows the report shows: those with the smallest, the median and the largest errors. */

export interface Picked {
  best: number[];
  typical: number[];
  worst: number[];
  /** The median of the errors. */
  median: number;
}

/**
 * Return `most` rows of each kind, without a row twice. Best rows begin with the smallest error, worst rows with the
 * largest, typical rows with the one next to the median. Rows without an error are left out.
 */
export function pickRows(errors: ArrayLike<number>, most = 8): Picked {
  const known = new Uint32Array(errors.length);
  let count = 0;
  for (let row = 0; row < errors.length; row++) if (!Number.isNaN(errors[row])) known[count++] = row;
  const sorted = known.subarray(0, count).sort((a, b) => errors[a] - errors[b] || a - b);
  const middle = Math.floor(count / 2);
  const ends = Math.min(most, Math.floor(count / 2));
  const best = [...sorted.subarray(0, ends)];
  const worst = [...sorted.subarray(count - ends)].reverse();
  const median = count ? errors[sorted[middle]] : NaN;
  // The rows around the middle that are neither best nor worst.
  const from = Math.max(ends, Math.min(middle - Math.floor(most / 2), count - ends - most));
  const around = [...sorted.subarray(from, Math.min(from + most, count - ends))];
  const typical = around.sort((a, b) => Math.abs(errors[a] - median) - Math.abs(errors[b] - median) || a - b);
  return { best, typical, worst, median };
}

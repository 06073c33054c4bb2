/** Compare two groups of rows: which columns and latents differ, the largest difference first. */

import type { Kind } from "../format";
import type { Engine } from "./types";

/** How one column or latent differs between group A and group B. */
export interface Difference {
  name: string;
  kind: Kind | "latent";
  /** The place in `header.columns`, or the latent dimension. */
  at: number;
  /**
   * "d": Cohen's d, the difference of the means in standard deviations within the groups; "h": Cohen's h, the
   * difference of the shares of `level`, on a scale on which 0.2 is small and 0.8 is large, as for d.
   */
  measure: "d" | "h";
  /** d or h, positive where A has more; NaN where a group has no values. */
  size: number;
  /** The means, or the shares of `level`. */
  a: number;
  b: number;
  /** Of a category: the level whose shares differ most; of a boolean "true". */
  level: string | null;
  /** Cells without a value in A and in B, which are left out. */
  missingA: number;
  missingB: number;
}

type Rows = ArrayLike<number>;
type Facts = Pick<Difference, "name" | "kind" | "at">;

/** Return the differences of all columns but texts, and of all latents, sorted by their absolute size. */
export async function compareGroups(engine: Engine, a: Rows, b: Rows): Promise<Difference[]> {
  const found: Difference[] = [];
  for (const [at, column] of engine.header.columns.entries()) {
    if (column.kind === "text" || !Object.hasOwn(engine.header.blocks, column.block)) continue;
    const values = (await engine.values(at)) as Float64Array;
    const facts = { name: column.name, kind: column.kind, at };
    if (column.kind === "category") found.push(compareShares(facts, values, a, b, column.levels ?? []));
    else if (column.kind === "boolean") found.push(compareShares(facts, values, a, b, ["false", "true"], 1));
    else found.push(compareMeans(facts, values, a, b));
  }
  const rows = engine.header.rows;
  if (rows) {
    const latents = await engine.numbers(rows.latents);
    for (let at = 0; at < engine.width; at++) {
      const facts: Facts = { name: `latent ${at}`, kind: "latent", at };
      found.push(compareMeans(facts, latents, a, b, engine.width, at));
    }
  }
  const rank = (each: Difference) => (Number.isNaN(each.size) ? -1 : Math.abs(each.size));
  return found.sort((one, other) => {
    const [first, second] = [rank(one), rank(other)];
    return first === second ? 0 : second - first; // Infinity - Infinity is NaN
  });
}

interface Moments {
  count: number;
  missing: number;
  mean: number;
  /** The sum of the squared deviations from the mean. */
  squares: number;
}

function moments(values: Rows, rows: Rows, stride: number, offset: number): Moments {
  let [count, sum] = [0, 0];
  for (let at = 0; at < rows.length; at++) {
    const value = values[rows[at] * stride + offset];
    if (Number.isNaN(value)) continue;
    count++;
    sum += value;
  }
  const mean = sum / count;
  let squares = 0;
  for (let at = 0; at < rows.length; at++) {
    const value = values[rows[at] * stride + offset];
    if (!Number.isNaN(value)) squares += (value - mean) ** 2;
  }
  return { count, missing: rows.length - count, mean, squares };
}

/** Return the difference of the means in standard deviations within the groups; of all rows for one row each. */
export function compareMeans(facts: Facts, values: Rows, a: Rows, b: Rows, stride = 1, offset = 0): Difference {
  const [first, second] = [moments(values, a, stride, offset), moments(values, b, stride, offset)];
  let variance = (first.squares + second.squares) / (first.count + second.count - 2);
  if (first.count + second.count < 3) {
    const all = moments(
      values,
      Uint32Array.from({ length: values.length / stride }, (_, row) => row),
      stride,
      offset,
    );
    variance = all.squares / (all.count - 1);
  }
  const difference = first.mean - second.mean;
  return {
    ...facts,
    measure: "d",
    size: difference === 0 ? 0 : difference / Math.sqrt(variance),
    a: first.mean,
    b: second.mean,
    level: null,
    missingA: first.missing,
    missingB: second.missing,
  };
}

/** Return the difference of the shares of the level that differs most, or of the level `only`. */
export function compareShares(
  facts: Facts,
  values: Rows,
  a: Rows,
  b: Rows,
  levels: string[],
  only: number | null = null,
): Difference {
  const [first, second] = [shares(values, a, levels.length), shares(values, b, levels.length)];
  let best = only ?? 0;
  for (let level = 0; only === null && level < levels.length; level++) {
    const here = Math.abs(first.shares[level] - second.shares[level]);
    if (here > Math.abs(first.shares[best] - second.shares[best])) best = level;
  }
  const [inA, inB] = [first.shares[best] ?? NaN, second.shares[best] ?? NaN];
  return {
    ...facts,
    measure: "h",
    size: 2 * Math.asin(Math.sqrt(inA)) - 2 * Math.asin(Math.sqrt(inB)),
    a: inA,
    b: inB,
    level: levels[best] ?? null,
    missingA: first.missing,
    missingB: second.missing,
  };
}

function shares(values: Rows, rows: Rows, levels: number): { shares: Float64Array; missing: number } {
  const counts = new Float64Array(levels);
  let known = 0;
  for (let at = 0; at < rows.length; at++) {
    const level = values[rows[at]];
    if (!(level >= 0 && level < levels)) continue;
    counts[level]++;
    known++;
  }
  return { shares: counts.map((count) => count / known), missing: rows.length - known };
}

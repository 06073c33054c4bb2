/**
 * Columns of a table in a network: from a value to numbers of a tensor, and back.
 *
 * It does the same as src/diabolo/data/adapters/features.py, and as `Mixed.linked` in
 * src/diabolo/network/losses/table.py for the raw numbers of a decoder.
 */

import type { Feature } from "../format";
import { sigmoid } from "./functions";

const ROUNDING = 1e-12; // relative: a column that varies by less is constant except for rounding
const MOST_LOG_RATE = 50; // above it, exp() of a raw count is clipped

/** Write the numbers of a value into a tensor, from `feature.start`; a missing value (NaN) gives zeros. */
export function toNumbers(feature: Feature, value: number, tensor: Float32Array): void {
  const { start, width } = feature;
  tensor.fill(0, start, start + width);
  if (Number.isNaN(value)) return;
  if (feature.kind === "category") {
    if (value >= 0 && value < width) tensor[start + value] = 1; // a level that fit() did not see: zeros
    return;
  }
  tensor[start] = along(feature, value);
  if (feature.kind !== "date") return;
  (feature.periods ?? []).forEach((period, at) => {
    const rest = ((value % period) + period) % period;
    const turn = (2 * Math.PI * rest) / period;
    tensor[start + 1 + 2 * at] = Math.sin(turn);
    tensor[start + 2 + 2 * at] = Math.cos(turn);
  });
}

/** Return the value of a column from the raw numbers of the decoder, which begin at `feature.start`. */
export function fromRaw(feature: Feature, raw: ArrayLike<number>): number {
  const { start, width, center = 0, scale = 0 } = feature;
  const first = raw[start];
  if (feature.kind === "category") {
    let best = 0;
    for (let level = 1; level < width; level++) if (raw[start + level] > raw[start + best]) best = level;
    return best;
  }
  if (feature.kind === "boolean") return sigmoid(first) > 0.5 ? 1 : 0;
  if (feature.kind === "count") return (feature.mean ?? 1) * Math.exp(Math.min(first, MOST_LOG_RATE));
  if (scale === 0) return center;
  if (!feature.knots?.length || feature.kind === "date") return first * scale + center;
  const marks = feature.marks ?? [];
  return interpolated(first, marks, feature.knots) + beyond(first, marks) * scale;
}

/** Return the error of a reconstruction, in units of the network; `raw`: the raw numbers of the decoder, if known. */
export function difference(feature: Feature, value: number, other: number, raw?: ArrayLike<number>): number {
  if (Number.isNaN(value) || Number.isNaN(other)) return 0;
  if (feature.kind === "category") return raw ? 1 - probability(feature, value, raw) : Number(value !== other);
  if (feature.kind === "boolean") return Math.abs(value - (raw ? sigmoid(raw[feature.start]) : other));
  return Math.abs(along(feature, value) - along(feature, other));
}

/** Return the value as one number in units of the network: scaled, or by the knots. */
function along(feature: Feature, value: number): number {
  const { center = 0, scale = 0 } = feature;
  if (feature.kind === "boolean") return value;
  if (feature.kind === "count") return value / (feature.mean ?? 1);
  if (feature.kind === "date") return (value - center) / (scale || 1);
  if (!feature.knots?.length || scale === 0)
    return (value - center) / (scale || Math.max(1, ROUNDING * Math.abs(center)));
  return interpolated(value, feature.knots, feature.marks ?? []) + beyond(value, feature.knots) / scale;
}

function probability(feature: Feature, level: number, raw: ArrayLike<number>): number {
  const { start, width } = feature;
  if (!(level >= 0 && level < width)) return 0;
  let [most, sum] = [-Infinity, 0];
  for (let at = start; at < start + width; at++) most = Math.max(most, raw[at]);
  for (let at = start; at < start + width; at++) sum += Math.exp(raw[at] - most);
  return Math.exp(raw[start + level] - most) / sum;
}

/** Return the piecewise linear function through (from[i], to[i]) at x, constant beyond the ends. */
export function interpolated(x: number, from: readonly number[], to: readonly number[]): number {
  const last = from.length - 1;
  if (x <= from[0]) return to[0];
  if (x >= from[last]) return to[last];
  let [low, high] = [0, last];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (from[middle] <= x) low = middle;
    else high = middle;
  }
  return to[low] + ((to[high] - to[low]) / (from[high] - from[low])) * (x - from[low]);
}

/** Return by how much x is above the last of increasing numbers, or, negative, below the first; 0 between them. */
function beyond(x: number, ends: readonly number[]): number {
  const last = ends[ends.length - 1];
  return x > last ? x - last : Math.min(x - ends[0], 0);
}

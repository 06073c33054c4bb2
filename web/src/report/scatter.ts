/** A map of the latents as a small picture: points are written as pixels, so that even a million are fast. */

import type { Column } from "../format";
import { categorical, MISSING, sequentialTable, type Rgb } from "../shared/colours";
import { count, number } from "../shared/format";

export interface Legend {
  title: string;
  /** Of categories, with the number of rows of each, in the order of the levels. */
  levels: { name: string; colour: Rgb; count: number }[] | null;
  /** Of numbers: the values of the first and the last colour. */
  range: [string, string] | null;
}

export interface Colouring {
  /** (rows, 3). */
  colours: Uint8Array;
  legend: Legend;
}

/** Return colours by the level of a category. */
export function byLevel(title: string, values: ArrayLike<number>, names: readonly string[]): Colouring {
  const colours = new Uint8Array(values.length * 3);
  const counts = new Array<number>(names.length).fill(0);
  let missing = 0;
  const table = names.map((_, at) => categorical(at));
  for (let row = 0; row < values.length; row++) {
    const at = values[row];
    const known = at >= 0 && at < names.length;
    if (known) counts[at]++;
    else missing++;
    colours.set(known ? table[at] : MISSING, row * 3);
  }
  const levels = names.map((name, at) => ({ name, colour: table[at], count: counts[at] }));
  if (missing) levels.push({ name: "missing", colour: MISSING, count: missing });
  return { colours, legend: { title, levels: levels.filter((level) => level.count > 0), range: null } };
}

/** Return colours by numbers, from the 1st to the 99th percentile, so that extreme rows do not use up the scale. */
export function byNumber(
  title: string,
  values: ArrayLike<number>,
  words = (value: number) => number(value, 3),
): Colouring {
  let sorted = new Float64Array(values.length);
  let known = 0;
  for (let row = 0; row < values.length; row++) if (!Number.isNaN(values[row])) sorted[known++] = values[row];
  sorted = sorted.subarray(0, known).sort();
  const at = (share: number) => (known ? sorted[Math.round(share * (known - 1))] : 0);
  const low = at(0.01);
  const high = at(0.99);
  const span = high - low || 1;
  const colours = new Uint8Array(values.length * 3);
  const table = sequentialTable();
  for (let row = 0; row < values.length; row++) {
    const step = Math.round(Math.min(Math.max((values[row] - low) / span, 0), 1) * 255) * 3;
    const missing = Number.isNaN(step);
    for (let part = 0; part < 3; part++) colours[row * 3 + part] = missing ? MISSING[part] : table[step + part];
  }
  return { colours, legend: { title, levels: null, range: [`${words(low)} or less`, `${words(high)} or more`] } };
}

/** Return colours by a column: levels of categories and of few whole numbers, else numbers. */
export function byColumn(column: Column, values: Float64Array | (string | null)[]): Colouring | null {
  if (column.kind === "text" || !(values instanceof Float64Array)) return null;
  if (column.kind === "category") return byLevel(column.name, values, column.levels ?? []);
  if (column.kind === "boolean") return byLevel(column.name, values, ["no", "yes"]);
  if (column.kind === "date") return null;
  const levels = [...new Set(values)].filter((value) => !Number.isNaN(value)).sort((a, b) => a - b);
  if (levels.length > 12 || levels.some((level) => !Number.isInteger(level))) return byNumber(column.name, values);
  const places = new Map(levels.map((level, at) => [level, at]));
  return byLevel(
    column.name,
    Float64Array.from(values, (value) => places.get(value) ?? NaN),
    levels.map((level) => number(level)),
  );
}

/** Return the diameter of a point in pixels of the canvas. */
export function diameterOf(rows: number, side: number): number {
  const size = side / Math.sqrt(rows) / 1.7;
  return Math.max(1, Math.min(Math.round(size), Math.round(side / 110)));
}

/** Return the pixels of a map, (side, side) as RGBA. Places are in [0, 1], with y upwards. */
export function mapPixels(
  places: ArrayLike<number>,
  colours: Uint8Array,
  side: number,
  diameter: number,
): Uint8ClampedArray<ArrayBuffer> {
  const pixels = new Uint8ClampedArray(side * side * 4);
  const words = new Uint32Array(pixels.buffer);
  const room = side - diameter;
  const disc = discOf(diameter);
  for (let row = 0; row < places.length / 2; row++) {
    const x = Math.round(places[row * 2] * room);
    const y = Math.round((1 - places[row * 2 + 1]) * room);
    if (!(x >= 0 && x <= room && y >= 0 && y <= room)) continue;
    const colour = 0xff000000 | (colours[row * 3 + 2] << 16) | (colours[row * 3 + 1] << 8) | colours[row * 3];
    for (let i = 0; i < disc.length; i += 2) words[(y + disc[i + 1]) * side + x + disc[i]] = colour;
  }
  return pixels;
}

/** Return the places of the pixels of a disc, x and y in turn. */
function discOf(diameter: number): Int32Array {
  const middle = (diameter - 1) / 2;
  const found: number[] = [];
  for (let y = 0; y < diameter; y++) {
    for (let x = 0; x < diameter; x++) {
      if (Math.hypot(x - middle, y - middle) <= diameter / 2) found.push(x, y);
    }
  }
  return Int32Array.from(found);
}

/** Return the legend in words. */
export function legendInWords(legend: Legend): string {
  if (legend.range) return `Coloured by ${legend.title}, from ${legend.range[0]} to ${legend.range[1]}.`;
  const levels = legend.levels ?? [];
  return `Coloured by ${legend.title}: ${levels
    .slice(0, 12)
    .map((level) => `${level.name} (${count(level.count)})`)
    .join(", ")}${levels.length > 12 ? ` and ${levels.length - 12} more` : ""}.`;
}

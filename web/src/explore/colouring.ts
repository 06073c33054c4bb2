/**
 * Colours of the points: what they are coloured by (label, error, a column, ...), the legend, and hidden levels.
 *
 * Numbers get the sequential scale between their 1st and 99th percentile. The ten most frequent levels get the
 * categorical colours; all others are grey.
 */

import type { Engine } from "../engine/types";
import { CATEGORICAL, MISSING, sequentialTable, type Rgb } from "../shared/colours";
import { cell, count, number } from "../shared/format";
import { isColour, type ColourKey } from "../shared/state.svelte";

export interface Level {
  name: string;
  count: number;
  colour: Rgb;
}

/** What all points are coloured by. */
export interface Colouring {
  key: ColourKey;
  title: string;
  /** Of categories: few are in alphabetical order, many by frequency; null: there are none. */
  levels: Level[] | null;
  /** (count,), the level of each row. */
  codes: Uint32Array | null;
  /** Of numbers: (count,), NaN is missing. */
  values: ArrayLike<number> | null;
  low: number;
  high: number;
  missing: number;
  words: (value: number) => string;
}

/** An entry of the colour menu. */
export interface Choice {
  key: ColourKey;
  title: string;
  group: "rows" | "columns" | "latents";
}

/** The colour of all points if none is chosen, and the colour of levels after the first ten. */
const PLAIN: Rgb = [86, 130, 190];
const OTHER: Rgb = [128, 134, 142];
/** Up to this number, levels are listed in alphabetical order. */
const FEW = 12;
/** Most levels; rarer ones are combined, because a column of texts may have a different text in each row. */
const TEXTS = 200;

/** Return what points can be coloured by. */
export function choices(engine: Engine): Choice[] {
  const { header } = engine;
  const list: Choice[] = [
    { key: "none", title: "one colour", group: "rows" },
    { key: "error", title: "reconstruction error", group: "rows" },
    { key: "score", title: "anomaly score", group: "rows" },
    { key: "probability", title: "probability of an anomaly", group: "rows" },
    { key: "cluster", title: "cluster", group: "rows" },
  ];
  header.columns.forEach((column, at) => list.push({ key: `column:${at}`, title: column.name, group: "columns" }));
  for (let at = 0; at < engine.width; at++) {
    list.push({ key: `latent:${at}`, title: `latent ${at}`, group: "latents" });
  }
  return list.filter((choice) => isColour(engine, choice.key));
}

/** Return the colours of all points. */
export async function colouringOf(engine: Engine, key: ColourKey): Promise<Colouring> {
  const { header } = engine;
  const title = choices(engine).find((choice) => choice.key === key)?.title ?? "";
  const [kind, at] = key.split(":");
  if (kind === "error") return ofNumbers(key, title, engine.errors);
  if (kind === "score" && header.anomalies) {
    return ofNumbers(key, title, await engine.numbers(header.anomalies.scores));
  }
  if (kind === "probability" && header.anomalies?.probabilities) {
    return ofNumbers(key, title, await engine.numbers(header.anomalies.probabilities));
  }
  if (kind === "cluster" && header.rows?.clusters) {
    const numbers = await engine.numbers(header.rows.clusters);
    return ofLevels(key, title, engine.count, (row) => `cluster ${numbers[row]}`);
  }
  if (kind === "latent" && header.rows) {
    const all = await engine.numbers(header.rows.latents);
    const values = new Float32Array(engine.count);
    for (let row = 0; row < values.length; row++) values[row] = all[row * engine.width + Number(at)];
    return ofNumbers(key, title, values);
  }
  if (kind === "column") return ofColumn(engine, key, title, Number(at));
  return { ...empty(key, title), title: "" };
}

/** Write the colours of all points as RGBA; hidden points get alpha 0. */
export function paintColours(colouring: Colouring, visible: Uint8Array, out: Uint8Array): void {
  const { levels, codes, values } = colouring;
  const table = values ? sequentialTable() : null;
  const span = colouring.high - colouring.low;
  for (let row = 0, at = 0; row < visible.length; row++, at += 4) {
    if (!visible[row]) {
      out[at + 3] = 0;
      continue;
    }
    let colour: Rgb = PLAIN;
    if (levels && codes) colour = levels[codes[row]].colour;
    else if (values && table) {
      const value = values[row];
      if (value !== value) colour = MISSING;
      else {
        const share = span > 0 ? (value - colouring.low) / span : 0.5;
        const step = 3 * Math.round(255 * Math.min(1, Math.max(0, share)));
        out[at] = table[step];
        out[at + 1] = table[step + 1];
        out[at + 2] = table[step + 2];
        out[at + 3] = 255;
        continue;
      }
    }
    out[at] = colour[0];
    out[at + 1] = colour[1];
    out[at + 2] = colour[2];
    out[at + 3] = 255;
  }
}

/** Return the value of a row in words. */
export function wordsOf(colouring: Colouring, row: number): string {
  if (colouring.levels && colouring.codes) return colouring.levels[colouring.codes[row]].name;
  return colouring.values ? colouring.words(colouring.values[row]) : "";
}

/** Set rows with a hidden level to 0 in `visible`. */
export function hideLevels(colouring: Colouring, hidden: string[], visible: Uint8Array): void {
  const { levels, codes } = colouring;
  if (!levels || !codes || hidden.length === 0) return;
  const names = new Set(hidden);
  const gone = levels.map((level) => names.has(level.name));
  for (let row = 0; row < visible.length; row++) if (gone[codes[row]]) visible[row] = 0;
}

async function ofColumn(engine: Engine, key: ColourKey, title: string, at: number): Promise<Colouring> {
  const column = engine.header.columns[at];
  const values = await engine.values(at);
  const few = column.kind === "category" || column.kind === "boolean" || column.kind === "text";
  if (few || !(values instanceof Float64Array)) {
    return ofLevels(key, title, engine.count, (row) => cell(column, values[row]));
  }
  return ofNumbers(key, title, values, (value) => cell(column, value));
}

/** Return levels by frequency. If there are more than `TEXTS`, the rarest are combined into one level. */
function ofLevels(key: ColourKey, title: string, rows: number, name: (row: number) => string): Colouring {
  const codes = new Uint32Array(rows);
  const numbers = new Map<string, number>();
  const counts: number[] = [];
  for (let row = 0; row < rows; row++) {
    const text = name(row);
    let code = numbers.get(text);
    if (code === undefined) numbers.set(text, (code = counts.push(0) - 1));
    counts[code]++;
    codes[row] = code;
  }
  const names = [...numbers.keys()];
  const order = counts.map((_, code) => code).sort((a, b) => counts[b] - counts[a] || a - b);
  const most = Math.min(order.length, TEXTS);
  const rank = new Uint32Array(order.length);
  order.forEach((code, at) => (rank[code] = Math.min(at, most)));
  for (let row = 0; row < rows; row++) codes[row] = rank[codes[row]];
  const levels = order.slice(0, most).map((code) => ({ name: names[code], count: counts[code], colour: OTHER }));
  if (most < order.length) {
    const rest = order.slice(most).reduce((sum, code) => sum + counts[code], 0);
    levels.push({ name: `${count(order.length - most)} other texts`, count: rest, colour: OTHER });
  }
  colourLevels(levels);
  return { ...empty(key, title), ...(levels.length <= FEW ? byName(levels, codes) : { levels, codes }) };
}

/** Return levels in alphabetical order, with their codes. */
function byName(levels: Level[], codes: Uint32Array): { levels: Level[]; codes: Uint32Array } {
  const order = [...levels.keys()].sort((a, b) => alphabetic(levels[a], levels[b]));
  const place = new Uint32Array(order.length);
  order.forEach((code, at) => (place[code] = at));
  return { levels: order.map((code) => levels[code]), codes: codes.map((code) => place[code]) };
}

function alphabetic(a: Level, b: Level): number {
  return a.name.localeCompare(b.name, "en", { numeric: true });
}

/** Colour levels in alphabetical order, so that they keep their colours if their counts change a little. */
function colourLevels(levels: Level[]): void {
  const first = levels.slice(0, CATEGORICAL.length).filter((level) => level.name !== "missing");
  const sorted = [...first].sort(alphabetic);
  sorted.forEach((level, at) => (level.colour = CATEGORICAL[at]));
  const missing = levels.find((level) => level.name === "missing");
  if (missing) missing.colour = MISSING;
}

function ofNumbers(
  key: ColourKey,
  title: string,
  values: Float32Array | Float64Array,
  words: (value: number) => string = number,
): Colouring {
  const present = values.filter((value) => Number.isFinite(value)).sort();
  const at = (share: number) => present[Math.round(share * (present.length - 1))] ?? 0;
  let [low, high] = [at(0.01), at(0.99)];
  if (low === high) [low, high] = [at(0), at(1)];
  return { ...empty(key, title), values, low, high, missing: values.length - present.length, words };
}

function empty(key: ColourKey, title: string): Colouring {
  return { key, title, levels: null, codes: null, values: null, low: 0, high: 0, missing: 0, words: (v) => number(v) };
}

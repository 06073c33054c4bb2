/**
 * Find rows by their number, or by a text, level or number in any column.
 *
 * "setosa" finds levels and texts that contain it, "5.1" finds cells that are 5.1, "age > 60" compares one column,
 * and "error > 0.1" the reconstruction error. It works in short slices, so that the page stays responsive.
 */

import type { Engine } from "../engine/types";
import type { Column } from "../format";
import { cell } from "../shared/format";

/** The column of hits by row number. */
export const ROW = -1;
/** The column of hits by reconstruction error. */
export const ERROR = -2;

export interface Hits {
  rows: Uint32Array;
  /** The first column in which each row was found: its place in `header.columns`, ROW or ERROR. */
  columns: Int32Array;
}

type Comparison = "=" | "<" | ">" | "<=" | ">=" | "!=";

/** What is searched for: `text` in all columns, or one column compared with a value. */
export type Query = { text: string } | { column: number; comparison: Comparison; text: string };

/** Milliseconds of work after which the page can do other work. */
const SLICE = 8;

/** Return the query that the reader typed. */
export function parseQuery(engine: Engine, typed: string): Query {
  const text = typed.trim();
  const parts = /^(.*?)\s*(<=|>=|!=|=|<|>)\s*(.*)$/s.exec(text);
  if (parts && parts[3] !== "") {
    const name = parts[1].toLowerCase();
    const comparison = parts[2] as Comparison;
    const column = engine.header.columns.findIndex((each) => each.name.toLowerCase() === name);
    if (column >= 0) return { column, comparison, text: parts[3] };
    if (name === "error") return { column: ERROR, comparison, text: parts[3] };
    if (name === "row") return { column: ROW, comparison, text: parts[3] };
  }
  return { text };
}

/** Return the rows that are found; null if `signal` ended the search. */
export async function search(engine: Engine, typed: string, signal: AbortSignal): Promise<Hits | null> {
  const query = parseQuery(engine, typed);
  const where = new Int32Array(engine.count).fill(NOWHERE);
  if (query.text === "") return { rows: new Uint32Array(0), columns: new Int32Array(0) };
  const places = "column" in query ? [query.column] : [ROW, ...engine.header.columns.keys()];
  const rest = pause(signal);
  for (const at of places) {
    const test = await testOf(engine, at, query);
    for (let row = 0; test && row < where.length; row++) {
      if (where[row] === NOWHERE && test(row)) where[row] = at;
      if ((row & 1023) === 1023 && !(await rest())) return null;
    }
    if (!(await rest())) return null;
  }
  return collect(where);
}

const NOWHERE = -3;

function collect(where: Int32Array): Hits {
  let size = 0;
  for (const at of where) if (at !== NOWHERE) size++;
  const rows = new Uint32Array(size);
  const columns = new Int32Array(size);
  // A row that is asked for by its number comes first.
  for (let pass = 0, next = 0; pass < 2; pass++) {
    for (let row = 0; row < where.length; row++) {
      if (where[row] === NOWHERE || (where[row] === ROW) !== (pass === 0)) continue;
      rows[next] = row;
      columns[next++] = where[row];
    }
  }
  return { rows, columns };
}

/** Return a function that pauses when the time slice is used up, and returns false if the search was aborted. */
function pause(signal: AbortSignal): () => boolean | Promise<boolean> {
  let start = performance.now();
  return () => {
    if (performance.now() - start < SLICE) return !signal.aborted;
    return new Promise((resolve) => {
      setTimeout(() => {
        start = performance.now();
        resolve(!signal.aborted);
      }, 0);
    });
  };
}

type Test = (row: number) => boolean;

/** Return a test whether a row matches in a column; null: no row can match. */
async function testOf(engine: Engine, at: number, query: Query): Promise<Test | null> {
  const comparison = "comparison" in query ? query.comparison : null;
  const wanted = query.text.toLowerCase();
  const asked = Number(query.text.replaceAll(",", ""));
  if (at === ROW) {
    if (Number.isNaN(asked)) return null;
    const holds = compare(comparison ?? "=", asked);
    return (row) => holds(engine.number(row));
  }
  if (at === ERROR) {
    const holds = compare(comparison ?? "=", asked);
    return (row) => holds(engine.errors[row]);
  }
  const column = engine.header.columns[at];
  const values = await engine.values(at);
  if (!(values instanceof Float64Array)) {
    const holds = compareTexts(comparison, wanted);
    return (row) => holds((values[row] ?? "missing").toLowerCase());
  }
  if (column.levels) {
    const holds = compareTexts(comparison, wanted);
    const found = column.levels.map((level) => holds(level.toLowerCase()));
    const missing = holds("missing");
    return (row) => found[values[row]] ?? missing;
  }
  return testOfNumbers(column, values, wanted, comparison, asked);
}

function testOfNumbers(
  column: Column,
  values: Float64Array,
  wanted: string,
  comparison: Comparison | null,
  asked: number,
): Test | null {
  if (column.kind === "date") {
    const moment = Date.parse(wanted) / 1000;
    if (comparison && !Number.isNaN(moment)) {
      const holds = compare(comparison, moment);
      return (row) => holds(values[row]);
    }
    // Formatting dates takes long: only text that looks like a date is compared with all of them.
    return /^\d{4}(-|$)/.test(wanted) ? (row) => cell(column, values[row]).startsWith(wanted) : null;
  }
  if (wanted === "missing") return (row) => Number.isNaN(values[row]);
  if (column.kind === "boolean" && Number.isNaN(asked)) {
    const truth = ["yes", "true"].includes(wanted) ? 1 : ["no", "false"].includes(wanted) ? 0 : NaN;
    return Number.isNaN(truth) || !comparison ? null : (row) => values[row] === truth;
  }
  if (Number.isNaN(asked)) return null;
  // 5.1 as float32 is 5.0999999: a cell that is shown as 5.1 must be found by 5.1.
  const near = Math.max(1e-12, Math.abs(asked) * 1e-6);
  if (!comparison || comparison === "=") return (row) => Math.abs(values[row] - asked) <= near;
  const holds = compare(comparison, asked);
  return (row) => holds(values[row]);
}

function compare(comparison: Comparison, asked: number): (value: number) => boolean {
  if (comparison === "<") return (value) => value < asked;
  if (comparison === ">") return (value) => value > asked;
  if (comparison === "<=") return (value) => value <= asked;
  if (comparison === ">=") return (value) => value >= asked;
  return comparison === "!=" ? (value) => value !== asked : (value) => value === asked;
}

function compareTexts(comparison: Comparison | null, wanted: string): (text: string) => boolean {
  if (comparison === null) return (text) => text.includes(wanted);
  return comparison === "!=" ? (text) => text !== wanted : (text) => text === wanted;
}

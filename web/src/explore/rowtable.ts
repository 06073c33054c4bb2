/** Tables of rows: the columns of the data, then error and anomaly score. Order: columns, sorting. */

import type { Engine } from "../engine/types";
import { cell, number } from "../shared/format";

/** One column of the table. */
export interface TableColumn {
  key: string;
  title: string;
  right: boolean;
  words: (row: number) => string;
  /** The value for sorting: texts in alphabetical order, NaN last. */
  worth: (row: number) => number | string;
}

/** Return all columns, with their values read. Columns whose values cannot be read are left out. */
export async function tableColumns(engine: Engine): Promise<TableColumn[]> {
  const { header } = engine;
  const found = await Promise.all(header.columns.map((_, at) => ofColumn(engine, at).catch(() => null)));
  const columns = found.filter((column) => column !== null);
  columns.push(ofNumbers("error", "error", engine.errors));
  if (header.anomalies) {
    columns.push(ofNumbers("score", "anomaly score", await engine.numbers(header.anomalies.scores)));
  }
  return columns;
}

async function ofColumn(engine: Engine, at: number): Promise<TableColumn> {
  const column = engine.header.columns[at];
  const values = await engine.values(at);
  const words = (row: number) => cell(column, values[row]);
  const key = `column:${at}`;
  const title = column.name;
  if (!(values instanceof Float64Array)) return { key, title, right: false, words, worth: words };
  const texts = column.kind === "category" || column.kind === "boolean";
  return { key, title, right: !texts, words, worth: texts ? words : (row) => values[row] };
}

function ofNumbers(key: string, title: string, values: ArrayLike<number>): TableColumn {
  return { key, title, right: true, words: (row) => number(values[row]), worth: (row) => values[row] };
}

/** Return rows in the order of a column. */
export function sortRows(rows: Uint32Array, column: TableColumn, falling: boolean): Uint32Array {
  const turn = falling ? -1 : 1;
  const first = rows.length ? column.worth(rows[0]) : 0;
  if (typeof first === "string") {
    const words = Array.from(rows, (row) => String(column.worth(row)));
    const { compare } = new Intl.Collator("en", { numeric: true });
    const order = Array.from(rows.keys()).sort((a, b) => turn * compare(words[a], words[b]) || a - b);
    return Uint32Array.from(order, (at) => rows[at]);
  }
  const worth = Float64Array.from(rows, (row) => Number(column.worth(row)));
  const places = new Uint32Array(rows.length).map((_, at) => at);
  places.sort((a, b) => {
    const [one, other] = [worth[a], worth[b]];
    if (one === other) return a - b;
    if (one !== one) return other !== other ? a - b : 1;
    return other !== other ? -1 : turn * (one - other);
  });
  return places.map((at) => rows[at]);
}

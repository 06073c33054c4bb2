/**
 * Write rows of the page as a file: CSV, Parquet, or the numbers of the rows.
 *
 * Texts are written exactly as they are. Order: columns, CSV, Parquet, rows of the page, download.
 */

import { ByteWriter } from "hyparquet-writer/src/bytewriter.js";
import { ParquetWriter } from "hyparquet-writer/src/parquet-writer.js";
import type { Kind } from "../format";
import type { Engine } from "./types";

/** A column of a file; NaN and null are missing. */
export type FileColumn = { name: string } & (
  | { kind: Exclude<Kind, "text" | "category">; values: ArrayLike<number>; time?: boolean }
  | { kind: "single" | "whole"; values: ArrayLike<number> }
  | { kind: "text"; values: (string | null)[] }
);

export interface ExportOptions {
  /** Places in `header.columns`; left out: all that the page has. */
  columns?: number[];
  /** Whether latents follow, as latent_0, latent_1, ... */
  latents?: boolean;
  /** Whether the reconstruction error follows. */
  errors?: boolean;
}

/** Return the columns of a file with these rows of the page, in this order: row numbers, and what the options say. */
export async function fileColumns(
  engine: Engine,
  rows: ArrayLike<number>,
  { columns, latents = true, errors = true }: ExportOptions = {},
): Promise<FileColumn[]> {
  const { header } = engine;
  const chosen =
    columns ?? header.columns.flatMap((each, at) => (Object.hasOwn(header.blocks, each.block) ? [at] : []));
  const found: FileColumn[] = [{ name: "row", kind: "whole", values: taken(rows, (row) => engine.number(row)) }];
  for (const at of chosen) {
    const { name, kind, levels = [], time } = header.columns[at];
    const values = await engine.values(at);
    if (kind === "text" || kind === "category") {
      const text = (row: number) => (kind === "text" ? values[row] : (levels[values[row] as number] ?? null));
      found.push({ name, kind: "text", values: Array.from(rows, (row) => text(row) as string | null) });
    } else {
      found.push({ name, kind, values: taken(rows, (row) => (values as Float64Array)[row]), ...(time && { time }) });
    }
  }
  if (latents && header.rows) {
    const all = await engine.numbers(header.rows.latents);
    for (let at = 0; at < engine.width; at++) {
      const values = taken(rows, (row) => all[row * engine.width + at]);
      found.push({ name: `latent_${at}`, kind: "single", values });
    }
  }
  if (errors) found.push({ name: "error", kind: "single", values: taken(rows, (row) => engine.errors[row]) });
  return withUniqueNames(found);
}

function taken(rows: ArrayLike<number>, value: (row: number) => number): Float64Array {
  return Float64Array.from(rows, value);
}

/** Make names unique: a second "row" becomes "row_2". */
function withUniqueNames(columns: FileColumn[]): FileColumn[] {
  const known = new Set(columns.map((column) => column.name));
  const used = new Set<string>();
  return columns.map((column) => {
    let { name } = column;
    for (let at = 2; used.has(name); at++) if (!known.has(`${column.name}_${at}`)) name = `${column.name}_${at}`;
    used.add(name).forEach((each) => known.add(each));
    return { ...column, name };
  });
}

// CSV.

/** Return columns as CSV (RFC 4180, UTF-8): a missing cell is empty, an empty text is "". */
export function toCsv(columns: FileColumn[]): string {
  const lines = [columns.map((column) => quoted(column.name)).join(",")];
  const cells = columns.map(cellText);
  const count = columns[0]?.values.length ?? 0;
  for (let row = 0; row < count; row++) lines.push(cells.map((cell) => cell(row)).join(","));
  return lines.join("\r\n") + "\r\n";
}

function cellText(column: FileColumn): (row: number) => string {
  if (column.kind === "text") {
    const { values } = column;
    return (row) => (values[row] === null ? "" : quoted(values[row]));
  }
  const { kind, values } = column;
  const text = (value: number) => {
    if (kind === "boolean") return value ? "true" : "false";
    if (kind === "date") return dateText(value, column.time ?? false);
    return kind === "single" ? shortest(value) : String(value);
  };
  return (row) => (Number.isNaN(values[row]) ? "" : text(values[row]));
}

function quoted(text: string): string {
  return text === "" || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Return the shortest text that is read back as the same float32. */
function shortest(value: number): string {
  for (let digits = 7; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return String(short);
  }
  return String(Number(value.toPrecision(9))); // enough for every float32
}

function dateText(seconds: number, time: boolean): string {
  const date = new Date(Math.round(seconds * 1000));
  if (Number.isNaN(date.getTime())) return String(seconds);
  const text = date.toISOString().replace(/(\.000)?Z$/, "");
  return time ? text : text.slice(0, text.indexOf("T"));
}

// Parquet.

interface Written {
  schema: object;
  data: unknown[];
}

/** Return columns as a Parquet file, compressed by Snappy. */
export function toParquet(columns: FileColumn[]): Uint8Array<ArrayBuffer> {
  const written = columns.map(parquetColumn);
  const writer = new ByteWriter();
  const schema = [{ name: "root", num_children: columns.length }, ...written.map((each) => each.schema)];
  type Options = ConstructorParameters<typeof ParquetWriter>[0];
  const file = new ParquetWriter({ writer, schema, createdBy: "diabolo" } as Options);
  file.write({ columnData: columns.map(({ name }, at) => ({ name, data: written[at].data })), rowGroupSize: 100_000 });
  file.finish();
  return new Uint8Array(writer.getBuffer());
}

function parquetColumn(column: FileColumn): Written {
  const base = { name: column.name, repetition_type: "OPTIONAL" };
  if (column.kind === "text") {
    return { schema: { ...base, type: "BYTE_ARRAY", converted_type: "UTF8" }, data: column.values };
  }
  const known = <T>(change: (value: number) => T) =>
    Array.from(column.values, (value) => (Number.isNaN(value) ? null : change(value)));
  const plain = (type: string) => ({ schema: { ...base, type }, data: known((value) => value) });
  if (column.kind === "boolean") return { schema: { ...base, type: "BOOLEAN" }, data: known((value) => value !== 0) };
  if (column.kind === "whole") return { schema: { ...base, type: "INT64" }, data: known(BigInt) };
  if (column.kind === "single") return plain("FLOAT");
  if (column.kind !== "date") return plain("DOUBLE");
  if (!column.time) {
    const days = known((value) => Math.floor(value / 86_400));
    return { schema: { ...base, type: "INT32", converted_type: "DATE" }, data: days };
  }
  // Without a time zone, like the dates of the data.
  const kind = { type: "TIMESTAMP", isAdjustedToUTC: false, unit: "MICROS" };
  const data = known((value) => BigInt(Math.round(value * 1e6)));
  return { schema: { ...base, type: "INT64", logical_type: kind }, data };
}

// Rows of the page.

/** Return rows of the page as CSV. */
export async function rowsToCsv(engine: Engine, rows: ArrayLike<number>, options?: ExportOptions): Promise<string> {
  return toCsv(await fileColumns(engine, rows, options));
}

/** Return rows of the page as a Parquet file. */
export async function rowsToParquet(
  engine: Engine,
  rows: ArrayLike<number>,
  options?: ExportOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  return toParquet(await fileColumns(engine, rows, options));
}

/** Return the numbers of rows in the data, one per line. */
export function rowsToIds(engine: Engine, rows: ArrayLike<number>): string {
  return Array.from(rows, (row) => `${engine.number(row)}\n`).join("");
}

/** Let the browser save a file. `type`: of data that is not a Blob, such as "text/csv". */
export function download(name: string, data: Blob | BlobPart, type = "application/octet-stream"): void {
  const url = URL.createObjectURL(data instanceof Blob ? data : new Blob([data], { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.hidden = true;
  document.body.append(link);
  link.click();
  link.remove();
  // A browser reads the file after the click; some browsers first ask where to save it.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** What the report gets from the engine: rows with their reconstructions, and the titles of rows. */

import type { Engine, Row } from "../engine/types";
import type { Header } from "../format";
import { cell, count } from "../shared/format";

export interface Example {
  /** Its place among the rows of the page. */
  row: number;
  title: string;
  error: number;
  original: Row | null;
  reconstruction: Row | null;
}

/** Return the titles of rows: their number, and their label or id if they have one. */
export async function rowTitles(engine: Engine): Promise<(row: number) => string> {
  const { columns } = engine.header;
  const at = ["label", "id"]
    .map((role) => columns.findIndex((column) => column.role === role))
    .find((place) => place >= 0);
  const values = at === undefined ? null : await engine.values(at).catch(() => null);
  return (row) => {
    const value = values?.[row] ?? null;
    const name = `Row ${count(engine.number(row))}`;
    if (at === undefined || value === null || (typeof value === "number" && Number.isNaN(value))) return name;
    return `${name}: ${cell(columns[at], value)}`;
  };
}

/** Return rows with their originals and reconstructions; null if the page has none. */
export async function examplesOf(engine: Engine, rows: number[]): Promise<Example[]> {
  const title = await rowTitles(engine);
  return Promise.all(
    rows.map(async (row) => ({
      row,
      title: title(row),
      error: engine.errors[row],
      original: await engine.original(row),
      reconstruction: engine.canDecode ? await engine.decode(engine.latents(row), row) : null,
    })),
  );
}

/** Return what errors are, in one sentence. */
export function errorsInWords(unit: string): string {
  if (unit.startsWith("of the error")) return `Errors are shares ${unit}.`;
  return unit.startsWith("of ") ? `Errors are those ${unit}.` : `Errors are ${unit}.`;
}

/** Return the unit of errors, so that it can follow the word "error". */
export function inUnit(unit: string): string {
  return unit.startsWith("of the error") ? `as a share ${unit}` : unit;
}

/** Return the message of an error, as a sentence. */
export function reason(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

/** Return the latents by importance, the most important first; in their own order if it was not measured. */
export function latentOrder(header: Header): number[] {
  const importance = header.latents?.importance ?? [];
  const all = Array.from({ length: header.model.latents }, (_, at) => at);
  return importance.length ? all.sort((a, b) => importance[b] - importance[a] || a - b) : all;
}

/** What the report asks of the engine: rows with their reconstructions, and what rows are called. */

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

/** Return what rows are called: their number, and their label or id where they have one. */
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

/** Return rows with their originals and reconstructions, null where the page has none. */
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

/** Return what an error says, as a sentence. */
export function reason(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

/** Return the latents from the most important to the least; in their own order where that was not measured. */
export function latentOrder(header: Header): number[] {
  const importance = header.latents?.importance ?? [];
  const all = Array.from({ length: header.model.latents }, (_, at) => at);
  return importance.length ? all.sort((a, b) => importance[b] - importance[a] || a - b) : all;
}

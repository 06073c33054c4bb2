/** The engine of a page: `createEngine` gives the views its rows, networks and neighbours (see `types.ts`). */

import type { Header } from "../format";
import { Blocks, readHeader } from "./blocks";
import { PageEngine } from "./engine";
import type { Engine } from "./types";

export { readHeader } from "./blocks";
export type { Engine, Row } from "./types";

/**
 * Return the engine of a page, once latents, errors and the first map have been read.
 *
 * `header`: null or left out: it is read from the page; `root`: what holds the script elements of the data, for a page
 * inside a notebook. Throws an error that says what is wrong with the page in one sentence.
 */
export async function createEngine(header?: Header | null, root?: ParentNode): Promise<Engine> {
  const place = root ?? (typeof document === "undefined" ? null : document);
  const known = header ?? readHeader(place ?? undefined);
  const blocks = new Blocks(known.blocks, known.base, place);
  return PageEngine.open(known, blocks);
}

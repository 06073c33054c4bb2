/** Traversals: rows decoded along one latent dimension, while all others keep their mean. */

import type { Engine, Row } from "../engine/types";
import type { Header } from "../format";
import { channelOf, rangeOf } from "../shared/lines";
import { cellDistances, channelNames, descending } from "../shared/rows";

export const STEPS = 7;

export interface Traversal {
  latent: number;
  /** The values of the latent, from low to high. */
  values: number[];
  rows: Row[];
}

/** Return the values of a latent from low to high. */
export function stepsOf(header: Header, latent: number): number[] {
  const { low, high } = header.latents!;
  return Array.from({ length: STEPS }, (_, step) => low[latent] + ((high[latent] - low[latent]) * step) / (STEPS - 1));
}

/** Return the rows along one latent. A model with a condition gets the condition of the row nearest to the mean. */
export async function traverse(engine: Engine, latent: number): Promise<Traversal> {
  const { header } = engine;
  const mean = Float32Array.from(header.latents!.mean);
  const condition = header.condition ? engine.nearest(mean, 1)[0] : undefined;
  const values = stepsOf(header, latent);
  const rows: Row[] = [];
  for (const value of values) {
    const latents = mean.slice();
    latents[latent] = value;
    // A decoder may reuse its memory for the next row.
    rows.push((await engine.decode(latents, condition)).slice());
  }
  return { latent, values, rows };
}

/** Return the cells of a table that change most along a traversal; those that hardly change are left out. */
export function changingCells(header: Header, rows: Row[], most = 5): number[] {
  const change = new Float32Array(rows[0].length);
  for (const row of rows) {
    const distances = cellDistances(header, rows[0], row);
    for (let at = 0; at < change.length; at++) change[at] = Math.max(change[at], distances[at]);
  }
  const found = descending(change).filter((at) => change[at] > 0.05);
  return found.slice(0, most);
}

export interface Panel {
  name: string;
  range: [number, number];
  /** One line per step. */
  lines: Float64Array[];
}

/** Return the channels of series that change most along a traversal, relative to the scale of each channel. */
export function changingChannels(header: Header, rows: Row[], most = 4): Panel[] {
  const names = channelNames(header);
  const panels = names.map((name, channel) => {
    const lines = rows.map((row) => channelOf(row, channel, names.length));
    const range = rangeOf(...lines);
    const scale =
      header.adapter.kind === "affine" ? header.adapter.divisor[channel % header.adapter.divisor.length] : 1;
    return { name, range, lines, change: changeOf(lines) / (Math.abs(scale) || 1) };
  });
  return panels.sort((a, b) => b.change - a.change).slice(0, most);
}

/** Return the largest distance between the lines of any two steps, at any time. */
function changeOf(lines: Float64Array[]): number {
  let most = 0;
  for (let at = 0; at < lines[0].length; at++) {
    const [low, high] = rangeOf(lines.map((line) => line[at]));
    if (high - low > most && lines.some((line) => !Number.isNaN(line[at]))) most = high - low;
  }
  return most;
}

/** What a row of the page is: its form and axes, the columns of its cells, and the distance of two rows. */

import type { Column, Feature, Form, Header } from "../format";

/** Return how rows look. */
export function formOf(header: Header): Form {
  return header.rows?.form ?? header.model.form;
}

/** Return the axes of one row. */
export function shapeOf(header: Header): number[] {
  return header.rows?.shape ?? header.model.rowShape;
}

const kept = new WeakMap<Header, (Column | undefined)[]>();

/** Return the columns of the cells of a row, by their place in it. */
export function cellColumns(header: Header): (Column | undefined)[] {
  let columns = kept.get(header);
  if (!columns) {
    const width = shapeOf(header).reduce((product, size) => product * size, 1);
    columns = Array.from({ length: formOf(header) === "cells" ? width : 0 }, () => undefined);
    for (const column of header.columns) if (column.at !== null) columns[column.at] = column;
    kept.set(header, columns);
  }
  return columns;
}

/** Return the name of a cell of a row. */
export function cellName(header: Header, at: number): string {
  return cellColumns(header)[at]?.name ?? `cell ${at + 1}`;
}

/** Return the name of a latent dimension, by its place from 0 as in Python. */
export function latentName(at: number): string {
  return `latent ${at}`;
}

/** Return the names of the channels of series and vectors. */
export function channelNames(header: Header): string[] {
  const shape = shapeOf(header);
  const channels = formOf(header) === "series" ? (shape[1] ?? 1) : 1;
  const names = header.rows?.channels ?? [];
  return Array.from({ length: channels }, (_, at) => names[at] ?? (channels > 1 ? `channel ${at + 1}` : ""));
}

export interface Picture {
  height: number;
  width: number;
  channels: number;
  low: number;
  high: number;
}

/** Return the axes of pictures, and the values of black and white. */
export function pictureOf(header: Header): Picture {
  const [height = 1, width = 1, channels = 1] = shapeOf(header);
  const [low, high] = header.rows?.range ?? [0, 1];
  return { height, width, channels, low, high };
}

/**
 * Return the distances of the cells of two rows, in units of how much each cell varies: 1 is one standard deviation
 * of a number, or another level. A cell that is missing in only one of the rows counts 1.
 */
export function cellDistances(header: Header, row: ArrayLike<number>, other: ArrayLike<number>): Float32Array {
  const found = new Float32Array(Math.min(row.length, other.length));
  const { adapter } = header;
  for (let i = 0; i < found.length; i++) {
    const missing = Number(Number.isNaN(row[i])) + Number(Number.isNaN(other[i]));
    if (missing) found[i] = missing === 1 ? 1 : 0;
    else if (adapter.kind === "affine") {
      found[i] = Math.abs(row[i] - other[i]) / (Math.abs(adapter.divisor[i % adapter.divisor.length]) || 1);
    } else found[i] = featureDistance(adapter.features[i], row[i], other[i]);
  }
  return found;
}

function featureDistance(feature: Feature | undefined, value: number, other: number): number {
  if (!feature || feature.kind === "category" || feature.kind === "boolean")
    return Math.abs(value - other) > 0.5 ? 1 : 0;
  if (feature.kind === "count") return Math.abs(Math.log1p(Math.max(value, 0)) - Math.log1p(Math.max(other, 0)));
  const { knots } = feature;
  // In a normal distribution, most knots lie within four standard deviations.
  const scale = knots && knots.length > 1 ? (knots[knots.length - 1] - knots[0]) / 4 : feature.scale;
  return Math.abs(value - other) / (Math.abs(scale ?? 1) || 1);
}

/** Return the places of values from the largest to the smallest; missing values last. */
export function descending(values: ArrayLike<number>): number[] {
  const worth = (at: number) => (Number.isNaN(values[at]) ? -Infinity : values[at]);
  return Array.from({ length: values.length }, (_, at) => at).sort((a, b) => worth(b) - worth(a) || a - b);
}

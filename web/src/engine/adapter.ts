/**
 * From rows in their own units to tensors of the network and back, both flat: (row numbers,) and (tensor numbers,).
 *
 * It does the same as `src/diabolo/data/adapters/`. The decoder of a table returns raw numbers, and the links of its
 * columns are applied here; for other rows, the links are in the graph.
 */

import type { Adapter, Header } from "../format";
import * as features from "./features";
import type { Row } from "./types";

type Affine = Extract<Adapter, { kind: "affine" }>;
type Table = Extract<Adapter, { kind: "table" }>;

export interface RowAdapter {
  /** Numbers of a row. */
  readonly rowSize: number;
  /** Numbers of a tensor that the encoder takes. */
  readonly tensorSize: number;
  /** Axes of a tensor that the encoder takes. */
  readonly tensorShape: number[];
  /** Return a row of zeros, a valid value for columns of every kind. */
  emptyRow(): Row;
  /** Return the tensor of a row. Throws an error that names the cell that the network cannot take. */
  toTensor(row: Row): Float32Array;
  /** Return the row of the raw numbers of the decoder. */
  toRow(raw: Float32Array): Row;
  /** Return the error of each cell, (row numbers,); 0 if it is missing. `raw`: of the reconstruction, if known. */
  cellErrors(row: Row, reconstruction: Row, raw?: Float32Array): Float32Array;
}

/** Return the adapter of a page. */
export function createAdapter(header: Header): RowAdapter {
  return header.adapter.kind === "table" ? tableAdapter(header.adapter, header) : affineAdapter(header.adapter, header);
}

function product(axes: number[]): number {
  return axes.reduce((all, axis) => all * axis, 1);
}

function checkSize(row: Row, expected: number): void {
  if (row.length !== expected) throw new Error(`Expected a row of ${expected} numbers, got ${row.length}.`);
}

function affineAdapter(affine: Affine, header: Header): RowAdapter {
  const { offset, divisor, scale, gaps } = affine;
  const shape = header.model.rowShape;
  const rowSize = product(shape);
  const period = offset.length;
  const exact = header.model.form === "cells" ? Float64Array : Float32Array;
  let tensorShape = shape;
  if (gaps) tensorShape = [shape[0], 2 * shape[1]];
  else if (header.model.form === "image" && shape.length === 2) tensorShape = [...shape, 1];
  const tensorSize = product(tensorShape);
  return {
    rowSize,
    tensorSize,
    tensorShape,
    emptyRow: () => new exact(rowSize),
    toTensor: (row) => {
      checkSize(row, rowSize);
      const tensor = new Float32Array(tensorSize);
      for (let from = 0, to = 0, axis = 0; from < rowSize; from++, to++) {
        const missing = Number.isNaN(row[from]);
        if (missing && !gaps) throw missingValue(`number ${from}`);
        tensor[to] = missing ? 0 : (row[from] - offset[axis]) / divisor[axis];
        if (gaps && missing) tensor[to + period] = 1;
        axis = axis + 1 === period ? 0 : axis + 1;
        if (gaps && axis === 0) to += period;
      }
      return tensor;
    },
    toRow: (raw) => {
      const skipped = raw.length === rowSize ? 0 : period; // flags after the channels at each time
      if (raw.length !== rowSize && raw.length !== tensorSize) throw wrongOutput(rowSize, raw.length);
      const row = new exact(rowSize);
      for (let to = 0, from = 0, axis = 0; to < rowSize; from++, to++) {
        const value = scale[axis] === 0 ? offset[axis] : raw[from] * scale[axis] + offset[axis];
        row[to] = affine.most ? Math.min(affine.most, Math.max(0, rounded(value))) : value;
        axis = axis + 1 === period ? 0 : axis + 1;
        if (axis === 0) from += skipped;
      }
      return row;
    },
    cellErrors: (row, reconstruction) => {
      checkSize(row, rowSize);
      checkSize(reconstruction, rowSize);
      const errors = new Float32Array(rowSize);
      for (let at = 0; at < rowSize; at++) {
        errors[at] = Math.abs(row[at] - reconstruction[at]) / divisor[at % period] || 0; // || 0: missing
      }
      return errors;
    },
  };
}

/** Return the nearest whole number; halves go to the even one, as in NumPy. */
function rounded(value: number): number {
  const whole = Math.round(value);
  return whole - value === 0.5 && whole % 2 !== 0 ? whole - 1 : whole;
}

function tableAdapter(table: Table, header: Header): RowAdapter {
  const rowSize = table.features.length;
  const tensorSize = table.width + (table.gaps ? rowSize : 0); // one flag per column follows the numbers
  const names = new Map(header.columns.filter((each) => each.at !== null).map((each) => [each.at, each.name]));
  return {
    rowSize,
    tensorSize,
    tensorShape: [tensorSize],
    emptyRow: () => new Float64Array(rowSize),
    toTensor: (row) => {
      checkSize(row, rowSize);
      const tensor = new Float32Array(tensorSize);
      table.features.forEach((feature, at) => {
        const name = `column "${names.get(at) ?? at}"`;
        const value = row[at];
        if (Number.isNaN(value) && !table.gaps) throw missingValue(name);
        if (feature.kind === "count" && (value < 0 || value % 1 !== 0) && !Number.isNaN(value)) {
          throw new Error(`${value} in ${name} is not a count: enter 0, 1, 2, ...`);
        }
        if (feature.kind === "boolean" && value !== 0 && value !== 1 && !Number.isNaN(value)) {
          throw new Error(`${value} in ${name} is not a boolean: enter 0 or 1.`);
        }
        features.toNumbers(feature, value, tensor);
        if (table.gaps && Number.isNaN(value)) tensor[table.width + at] = 1;
      });
      return tensor;
    },
    toRow: (raw) => {
      if (raw.length < table.width) throw wrongOutput(table.width, raw.length);
      return Float64Array.from(table.features, (feature) => features.fromRaw(feature, raw));
    },
    cellErrors: (row, reconstruction, raw) => {
      checkSize(row, rowSize);
      checkSize(reconstruction, rowSize);
      return Float32Array.from(table.features, (feature, at) =>
        features.difference(feature, row[at], reconstruction[at], raw),
      );
    },
  };
}

function missingValue(where: string): Error {
  return new Error(`The value of ${where} is missing, and this model was trained without missing values: fill it in.`);
}

function wrongOutput(expected: number, got: number): Error {
  return new Error(`The decoder of this page gave ${got} numbers, and its rows need ${expected}.`);
}

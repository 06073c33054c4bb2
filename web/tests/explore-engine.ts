/** An engine of made-up rows, for tests of the explorer: two latents, a plane as the map, a decoder that doubles. */

import type { Engine, Row } from "../src/engine/types";
import type { Column, Header } from "../src/format";

export interface Made {
  latents: [number, number][];
  columns?: (Column & { values: ArrayLike<number> | (string | null)[] })[];
  numbers?: number[];
  total?: number;
  /** Decoding must be waited for. */
  late?: boolean;
}

/** Return the engine. A row is [2 * first, 2 * second]; the map shows latents from 0 to 1. */
export function madeEngine({ latents, columns = [], numbers, total, late = false }: Made): Engine {
  const count = latents.length;
  const header = {
    title: "made up",
    columns,
    maps: [
      { name: "plane", block: "plane", plane: true, note: "" },
      { name: "other", block: "other", plane: false, note: "" },
    ],
    rows: { count, total: total ?? count, form: "vector", shape: [2], latents: "latents", clusters: null },
    latents: { mean: [0.5, 0.5] },
    anomalies: null,
    condition: null,
  } as unknown as Header;
  const far = (row: number, x: number, y: number) => Math.hypot(latents[row][0] - x, latents[row][1] - y);
  const near = (x: number, y: number, size: number) =>
    Array.from(latents.keys())
      .sort((a, b) => far(a, x, y) - far(b, x, y))
      .slice(0, size);
  const twice = (given: Float32Array): Row => given.map((value) => 2 * value);
  return {
    header,
    count,
    width: 2,
    errors: Float32Array.from(latents, (_, row) => row / 10),
    canDecode: true,
    canEncode: true,
    latents: (row) => Float32Array.from(latents[row]),
    number: (row) => numbers?.[row] ?? row,
    decode: async (given) => twice(given),
    decodeNow: (given) => (late ? null : twice(given)),
    encode: async (row) => Float32Array.from(row, (value) => value / 2),
    original: async (row) => Float32Array.from(latents[row], (value) => 2 * value),
    cellErrors: (row, other) => Float32Array.from(row, (value, at) => Math.abs(value - other[at])),
    nearest: (given, size) => near(given[0], given[1], size),
    values: async (at) => {
      const { kind, values } = columns[at];
      return kind === "text" ? (values as (string | null)[]) : Float64Array.from(values as ArrayLike<number>);
    },
    map: async () => Float32Array.from(latents.flat()),
    latentsAt: (_, x, y) => Float32Array.of(x, y),
    rowsAt: (_, x, y, size) => near(x, y, size),
    placeOf: (_, given) => [given[0], given[1]],
    numbers: async () => Float32Array.from(latents.flat()),
    json: async () => null,
    bytes: async () => new Uint8Array(0),
    close: () => undefined,
  };
}

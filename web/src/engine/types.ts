/** What the views may ask of the engine: rows, latents, the network, neighbours. All numbers are in the units of rows. */

import type { Header } from "../format";

/** One row in its own units: pixels of a picture, cells of a table (NaN is missing), values of a series. */
export type Row = Float32Array | Float64Array;

export interface Engine {
  readonly header: Header;
  /** Rows in the page. */
  readonly count: number;
  /** Latent dimensions. */
  readonly width: number;

  /** The latents of a row of the page. */
  latents(row: number): Float32Array;
  /** The reconstruction error of each row, (count,). */
  readonly errors: Float32Array;
  /** The number of a row in the data. */
  number(row: number): number;

  /** Whether latents can be decoded here, and whether rows can be encoded. */
  readonly canDecode: boolean;
  readonly canEncode: boolean;
  /** Return the decoded row. `condition`: the row whose condition it gets; ignored if the model has none. */
  decode(latents: Float32Array, condition?: number | Row): Promise<Row>;
  /** The same at once, if the network is in the page and ready; null otherwise. */
  decodeNow(latents: Float32Array, condition?: number | Row): Row | null;
  encode(row: Row): Promise<Float32Array>;

  /** The original of a row; null if originals were left out. */
  original(row: number): Promise<Row | null>;
  /**
   * The error of each cell of a reconstruction, in units of the network: |row - reconstruction|, or 1 - p of a level; 0
   * if a cell is missing or part of the condition. p is 0 or 1 unless decode or decodeNow returned the reconstruction.
   */
  cellErrors(row: Row, reconstruction: Row): Float32Array;

  /** The rows of the page whose latents are nearest, the nearest first. */
  nearest(latents: Float32Array, count: number): number[];

  /** The values of a column by its place in `header.columns`: level numbers for a category, NaN for missing values. */
  values(column: number): Promise<Float64Array | (string | null)[]>;

  /** Coordinates of a map, (count, 2), x and y in turn, in [0, 1]. */
  map(at: number): Promise<Float32Array>;
  /** The latents at a place of a map: exact on a plane, else the weighted mean of the 8 nearest rows; after map(at). */
  latentsAt(at: number, x: number, y: number): Float32Array;
  /** Rows of the page that are nearest to a place of a map. */
  rowsAt(at: number, x: number, y: number, count: number): number[];
  /** The place of latents on a map: exact on a plane, else by the nearest rows. */
  placeOf(at: number, latents: Float32Array): [number, number];

  /** Another block by name, as numbers (scaled), JSON or bytes. */
  numbers(block: string): Promise<Float32Array | Float64Array>;
  json(block: string): Promise<unknown>;
  bytes(block: string): Promise<Uint8Array>;

  /** Release memory: end sessions. */
  close(): void;
}

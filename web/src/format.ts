/**
 * What a page contains: one header in JSON, and blocks of numbers, texts and pictures.
 *
 * `diabolo.page` in Python writes it (`src/diabolo/page/`), this page reads it. A block is a list of numbers of one
 * type, little-endian. In a file it is base64, compressed by gzip unless it says otherwise, in
 * `<script type="text/plain" data-block="NAME">`; from a server it is fetched from `base + "blocks/" + NAME`.
 */

export const FORMAT = 1;

export type Kind = "number" | "count" | "boolean" | "category" | "date" | "text";

/** How rows look: pictures, cells of a table, series, or plain vectors of numbers. */
export type Form = "image" | "cells" | "series" | "vector";

export interface Block {
  /** "json": a JSON value as UTF-8; "bytes": a file, such as a picture or a network. */
  type: "f2" | "f4" | "f8" | "u1" | "u2" | "u4" | "i4" | "json" | "bytes";
  shape: number[];
  /** Whether the bytes are compressed by gzip. */
  gzip: boolean;
  /** Of u1 and u2: the value is low + code / most * (high - low), along the last axis; most is the largest code. */
  scale?: { low: number[]; high: number[]; most: number };
  /** The code of a missing value; of floats it is NaN. */
  missing?: number;
}

export interface Column {
  name: string;
  kind: Kind;
  /** The block of its values: numbers of levels for a category, seconds since 1970 for a date, JSON for texts. */
  block: string;
  /** Of a category. */
  levels?: string[];
  /** Of a date: whether it has a time of day. */
  time?: boolean;
  /** Its place in a row of the model; null: the model does not use it, such as ids and labels. */
  at: number | null;
  /** What the column is for, if that is known. */
  role?: "id" | "label" | "condition";
  /** Whether values are rounded to 65,534 steps between the smallest and the largest. */
  rounded?: boolean;
}

export interface MapFacts {
  name: string;
  /** (rows, 2), u2 with a scale. */
  block: string;
  /** With one or two latents: the map is the plane of the latents, and the place of a point gives its latents. */
  plane: boolean;
  /** How it was made, in one sentence. */
  note: string;
}

export interface RowFacts {
  /** Rows in the page. */
  count: number;
  /** Rows in the data. */
  total: number;
  /** "all rows", or which of them are in the page, in words. */
  which: string;
  form: Form;
  /** Axes of one row: [height, width, channels], [columns], [time, channels], [features]. */
  shape: number[];
  /** Of pictures: the values of black and of white. */
  range?: [number, number];
  /** Of series: the names of the channels. */
  channels?: string[];
  /** (rows,), u4: the number of each row in the data, from 0; null: 0, 1, 2, ... */
  numbers: string | null;
  /** (rows, latents). */
  latents: string;
  /** (rows,), f4: the reconstruction error of each row, in `unit`. */
  errors: string;
  unit: string;
  /** Where the original rows are; null: they were left out, or there are none. */
  originals: Originals | null;
  /** (rows,), u1: cluster of the latents, from 0; null: none. */
  clusters: string | null;
}

export type Originals =
  /** Pictures side by side in several sheets of at most 4,096 pixels a side. Row i is in sheet floor(i / per). */
  | { way: "sheets"; blocks: string[]; columns: number; per: number }
  /** Each column of `columns` whose `at` is not null. */
  | { way: "columns" }
  /** (rows, ...shape). */
  | { way: "block"; block: string }
  /** GET base + "rows/NUMBER": the values of one row, f4 (of cells f8). */
  | { way: "server" };

/** One node of a network: an ONNX operator on rows of numbers; the first input is a tensor, others may be constants. */
export interface Node {
  op: string;
  inputs: string[];
  output: string;
  attributes: Record<string, number | number[]>;
}

export interface Constant {
  shape: number[];
  /** Where it begins in the block of weights, in numbers. */
  start: number;
}

/** A network that the page computes itself. Tensors are (rows, width) in row-major order. */
export interface Program {
  inputs: string[];
  output: string;
  nodes: Node[];
  constants: Record<string, Constant>;
  /** The block of all constants, f2 or f4. */
  weights: string;
}

export type Network =
  | { way: "own"; program: Program }
  /** An ONNX file, run by onnxruntime-web; `inputs` and `output` by name. */
  | { way: "onnxruntime"; block: string; inputs: string[]; output: string }
  /** POST base + "encode" or "decode", f4 in, f4 out, with the adapter. */
  | { way: "server" };

/** From rows to tensors of the network and back: arrays, pictures and series have an offset and a scale per channel. */
export type Adapter =
  | {
      kind: "affine";
      /** The numbers of a row use the offsets and scales in turn: row[i] uses offset[i % offset.length]. */
      offset: number[];
      divisor: number[];
      /** 0: the number is always its offset. */
      scale: number[];
      /** Of rows of whole numbers, 255 or 65,535: values are rounded and clipped to [0, most]. Null: of others. */
      most: number | null;
      /** Of series with gaps: flags of missing values follow the channels at each time. */
      gaps: boolean;
    }
  | { kind: "table"; features: Feature[]; gaps: boolean; width: number };

/** One column of a table in the network: the numbers from `start` to `start + width` of a tensor. */
export interface Feature {
  kind: Exclude<Kind, "text">;
  start: number;
  width: number;
  /** Of numbers and dates. */
  center?: number;
  scale?: number;
  /** Of numbers scaled by quantiles: linear between (knots[i], marks[i]), with `scale` beyond the ends. */
  knots?: number[];
  marks?: number[];
  /** Of dates, in seconds: each gives a sine and a cosine. */
  periods?: number[];
  /** Of counts. */
  mean?: number;
}

export interface ColumnFigures {
  name: string;
  kind: string;
  /** "R2": the share of variance explained; "right": the share of cells reconstructed exactly. */
  measure: "R2" | "right";
  model: number;
  pca: number;
  guess: number;
}

export interface Evaluation {
  rows: number;
  /** "test", "validation", "training" or "given". */
  evaluatedOn: string;
  model: number;
  pca: number;
  constant: number;
  unit: string;
  columns: ColumnFigures[];
}

export interface Finding {
  what: string;
  attempt: string;
  serious: boolean;
}

export interface LayerFacts {
  part: "encoder" | "bottleneck" | "decoder";
  /** "dense", "conv", ... */
  kind: string;
  /** In words, such as "256, elu". */
  words: string;
  /** Axes of one row of its output. */
  shape: number[];
  weights: number;
}

export interface ModelFacts {
  file: string;
  source: string;
  rows: number;
  validationRows: number;
  form: Form;
  rowShape: number[];
  features: number;
  latents: number;
  weights: number;
  structure: string;
  bottleneck: string;
  loss: string;
  lossReason: string;
  /** (name, value) as given to the estimator; those that differ from the default come first. */
  settings: { name: string; value: string; isDefault: boolean }[];
  versions: Record<string, string>;
  layers: LayerFacts[];
  bestEpoch: number;
  /** {"loss": [...], "val_loss": [...], ...}, one number per epoch. */
  history: Record<string, number[]>;
  /** The command that trains this model again. */
  command: string;
}

/** An anomalous row. */
export interface Anomaly {
  /** Its place among the rows of the page. */
  row: number;
  score: number;
  probability: number | null;
  cells: { column: string; value: string; expected: string; share: number }[];
}

export interface Anomalies {
  /** How scores were made, in one sentence. */
  note: string;
  /** (rows,), f4: higher is more anomalous. */
  scores: string;
  /** (rows,), f4, or null. */
  probabilities: string | null;
  /** The threshold of the score, if there is one. */
  threshold: number | null;
  /** The most anomalous rows, in decreasing order. */
  top: Anomaly[];
  reliability: Reliability | null;
}

/** How probabilities agree with labels: of the rows in each bin, the mean probability and the share of anomalies. */
export interface Reliability {
  bins: { probability: number; share: number; count: number }[];
  brier: number;
  /** The Brier score if the share of anomalies were predicted for every row. */
  brierOfShare: number;
}

/** Correlations of latents with columns, in [-1, 1]; correlation ratios for categories. */
export interface Correlations {
  columns: string[];
  /** values[latent][column]. */
  values: (number | null)[][];
}

export interface LatentFacts {
  /** For each latent dimension: the range of the rows, from the 0.5th to the 99.5th percentile, and the mean. */
  low: number[];
  high: number[];
  mean: number[];
  deviation: number[];
  /** How much reconstructions change if this latent is replaced by its mean; empty: not measured. Orders traversals. */
  importance: number[];
  correlations: Correlations | null;
}

export interface SearchFacts {
  title: string;
  trials: {
    number: number;
    error: number | null;
    epochs: number;
    of: number;
    seconds: number;
    state: string;
    choice: string;
  }[];
  curves: Record<string, [number, number][]>;
  importance: Record<string, number>;
  conclusions: string[];
}

export interface ConditionColumn {
  /** The column of the table. */
  at: number;
}

export interface Header {
  format: number;
  title: string;
  /** Version of Diabolo. */
  version: string;
  /** When the page was written, ISO 8601. */
  made: string;
  /** What data the page contains, in one line; the page adds its size. */
  contents: string;
  /** Of the file, in bytes; null from a server. */
  size: number | null;
  /** What was left out on request, in words. */
  left: string[];
  /** The first view. */
  view: "report" | "explore";
  /** Where a server answers; null: the page is a file. */
  base: string | null;
  model: ModelFacts;
  evaluation: Evaluation | null;
  findings: Finding[];
  latents: LatentFacts | null;
  rows: RowFacts | null;
  columns: Column[];
  maps: MapFacts[];
  anomalies: Anomalies | null;
  search: SearchFacts | null;
  adapter: Adapter;
  /** Null: the page has no decoder, or no encoder. */
  decoder: Network | null;
  encoder: Network | null;
  /** Of a model with a condition: the places in a tensor of the numbers that the decoder gets as well. */
  condition: { places: number[]; columns: number[] } | null;
  blocks: Record<string, Block>;
}

/**
 * What the reader of the page has chosen: the view, the map and its colours, the selection, the current point.
 *
 * One object for the whole page. `toJSON` returns what is saved with the page, `restore` reads it. Rows are saved by
 * their numbers in the data, because the page that is opened later may contain other rows.
 */

import { readState } from "../engine/save";
import type { Engine, Row } from "../engine/types";
import { bitsOf, none, packBits, unpackBits, type Bits, type PackedBits } from "../explore/bits";
import { WHOLE, type Camera } from "../explore/camera";

/** What the pointer does on the map. */
export type Mode = "drag" | "pan" | "lasso";

/** What the points are coloured by; columns and latents have their place, such as "column:3". */
export type ColourKey =
  "none" | "error" | "score" | "probability" | "cluster" | `column:${number}` | `latent:${number}`;

export type Tab = "selection" | "compare" | "anomalies" | "search";

/** Where the latents of the current point come from. `row` is a place among the rows of the page. */
export type Origin =
  | { kind: "row"; row: number }
  | { kind: "place"; x: number; y: number }
  | { kind: "edited"; row: number | null }
  | { kind: "path"; share: number }
  | { kind: "arithmetic" }
  | { kind: "mean" }
  | { kind: "sliders"; row: number | null };

export interface Point {
  origin: Origin;
  latents: Float32Array;
  /** The row that was encoded, if the reader changed one. */
  input: Row | null;
}

/** A point that was kept as A, B or C. */
export interface Mark {
  name: string;
  /** The row of the page, if the point is a row. */
  row: number | null;
  latents: Float32Array;
}

export const LETTERS = ["A", "B", "C"] as const;
export type Letter = (typeof LETTERS)[number];

/** What is saved with the page. */
export interface Saved {
  version: 1;
  view?: string;
  map: string | null;
  colour: ColourKey;
  mode: Mode;
  grid: boolean;
  camera: Camera;
  hidden: Record<string, string[]>;
  tab: Tab | null;
  selection: PackedBits;
  other: PackedBits | null;
  only: PackedBits | null;
  point: { origin: Origin; latents: number[]; input: (number | null)[] | null } | null;
  marks: Partial<Record<Letter, { name: string; row: number | null; latents: number[] }>>;
}

/** The choices of the reader. Large values are replaced as a whole, never changed in place. */
export class PageState {
  view = $state<"report" | "explore" | null>(null);
  /** The place of the map in `header.maps`. */
  map = $state(0);
  colour = $state<ColourKey>("none");
  mode = $state<Mode>("drag");
  /** Whether decoded rows are drawn under the points. */
  grid = $state(false);
  camera = $state.raw<Camera>(WHOLE);
  /** The names of the hidden levels, by colour. */
  hidden = $state.raw<Record<string, string[]>>({});
  /** Rows that the map is restricted to. */
  only = $state.raw<Bits | null>(null);
  selection: Bits = $state.raw(none(0));
  /** Group B of a comparison; null: all rows that are not selected. */
  other = $state.raw<Bits | null>(null);
  point = $state.raw<Point | null>(null);
  marks = $state.raw<Partial<Record<Letter, Mark>>>({});
  /** The open tab of the drawer. */
  tab = $state<Tab | null>(null);

  constructor(readonly engine: Engine) {
    this.selection = none(engine.count);
    this.colour = firstColour(engine);
  }

  /** Return what is saved with the page. */
  toJSON(): Saved {
    const { engine, point } = this;
    const total = Math.max(engine.header.rows?.total ?? 0, engine.count);
    const pack = (bits: Bits) => packBits(bits, (row) => engine.number(row), total);
    const marks: Saved["marks"] = {};
    for (const letter of LETTERS) {
      const mark = this.marks[letter];
      const row = mark?.row ?? null;
      if (mark) marks[letter] = { ...mark, row: row === null ? null : engine.number(row), latents: [...mark.latents] };
    }
    return {
      version: 1,
      ...(this.view ? { view: this.view } : {}),
      map: engine.header.maps[this.map]?.name ?? null,
      colour: this.colour,
      mode: this.mode,
      grid: this.grid,
      camera: this.camera,
      hidden: this.hidden,
      tab: this.tab,
      selection: pack(this.selection),
      other: this.other && pack(this.other),
      only: this.only && pack(this.only),
      point: point && {
        origin: withRow(point.origin, (row) => engine.number(row)),
        latents: [...point.latents],
        input: point.input && Array.from(point.input, (value) => (Number.isFinite(value) ? value : null)),
      },
      marks,
    };
  }

  /** Restore what was saved with the page; parts that do not fit this page are left out. */
  restore(saved: unknown): void {
    if (!isSaved(saved)) return;
    const { engine } = this;
    const unpack = (packed: PackedBits | null | undefined) =>
      packed ? unpackBits(packed, (row) => engine.number(row), engine.count) : null;
    if (saved.view === "report" || saved.view === "explore") this.view = saved.view;
    this.map = Math.max(
      0,
      engine.header.maps.findIndex((map) => map.name === saved.map),
    );
    if (isColour(engine, saved.colour)) this.colour = saved.colour;
    if (["drag", "pan", "lasso"].includes(saved.mode)) this.mode = saved.mode;
    this.grid = saved.grid === true;
    if ([saved.camera?.x, saved.camera?.y, saved.camera?.zoom].every(Number.isFinite)) this.camera = saved.camera;
    this.hidden = saved.hidden ?? {};
    this.tab = saved.tab ?? null;
    this.selection = unpack(saved.selection) ?? none(engine.count);
    this.other = unpack(saved.other);
    this.only = unpack(saved.only);
    this.point = pointOf(engine, saved.point);
    const marks: Partial<Record<Letter, Mark>> = {};
    for (const letter of LETTERS) {
      const mark = saved.marks?.[letter];
      if (mark?.latents.length === engine.width) {
        const row = placeOfNumber(engine, mark.row);
        marks[letter] = { name: String(mark.name), row, latents: Float32Array.from(mark.latents) };
      }
    }
    this.marks = marks;
  }

  /** Select exactly these rows. */
  select(rows: ArrayLike<number>): void {
    this.selection = bitsOf(this.engine.count, rows);
  }
}

const states = new WeakMap<Engine, PageState>();

/** Return the state of a page, the same for all views; the first call reads what was saved in `root`. */
export function stateOf(engine: Engine, root: ParentNode = document): PageState {
  let state = states.get(engine);
  if (!state) {
    state = new PageState(engine);
    state.restore(readState(root));
    states.set(engine, state);
  }
  return state;
}

/** Return whether points can be coloured by `key`. */
export function isColour(engine: Engine, key: unknown): key is ColourKey {
  const { header } = engine;
  if (typeof key !== "string") return false;
  const [kind, at] = key.split(":");
  if (kind === "column") return Number(at) in header.columns;
  if (kind === "latent") return Number(at) >= 0 && Number(at) < engine.width;
  if (kind === "score") return header.anomalies !== null;
  if (kind === "probability") return Boolean(header.anomalies?.probabilities);
  if (kind === "cluster") return Boolean(header.rows?.clusters);
  return kind === "none" || kind === "error";
}

/** Return the first colour: the label, else the anomaly score, the clusters or the errors. */
function firstColour(engine: Engine): ColourKey {
  const { header } = engine;
  const label = header.columns.findIndex((column) => column.role === "label");
  if (label >= 0) return `column:${label}`;
  if (header.anomalies) return "score";
  return header.rows?.clusters ? "cluster" : "error";
}

function isSaved(saved: unknown): saved is Saved {
  return typeof saved === "object" && saved !== null && (saved as Saved).version === 1;
}

function withRow(origin: Origin, turn: (row: number) => number): Origin {
  return "row" in origin && origin.row !== null ? { ...origin, row: turn(origin.row) } : origin;
}

function pointOf(engine: Engine, saved: Saved["point"]): Point | null {
  if (!saved || saved.latents.length !== engine.width) return null;
  const origin = withRow(saved.origin, (number) => placeOfNumber(engine, number) ?? -1);
  if ("row" in origin && origin.row === -1) return null;
  return {
    origin,
    latents: Float32Array.from(saved.latents),
    input: saved.input && Float64Array.from(saved.input, (value) => value ?? NaN),
  };
}

/** Return the place in the page of a row by its number in the data; null: the page does not contain it. */
export function placeOfNumber(engine: Engine, number: number | null): number | null {
  if (number === null) return null;
  if (number < engine.count && engine.number(number) === number) return number;
  for (let row = 0; row < engine.count; row++) if (engine.number(row) === number) return row;
  return null;
}

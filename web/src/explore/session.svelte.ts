/**
 * The current point: how it changes, and its reconstruction, original and neighbours.
 *
 * Each step of a drag sets the latents and decodes at once. Slower work (neighbours, the place on the map) waits until
 * the pointer rests.
 */

import type { Engine, Row } from "../engine/types";
import { count } from "../shared/format";
import { shapeOf } from "../shared/rows";
import type { Letter, Mark, Origin, PageState, Point } from "../shared/state.svelte";
import { Latest, settled } from "./latest";
import { messageOf } from "./points.svelte";

/** Neighbours that are shown. */
const NEAREST = 8;
/** Milliseconds without a step after which the pointer counts as resting. */
const REST = 90;

/** The current point of the explorer and what depends on it. */
export class Session {
  reconstruction = $state.raw<Row | null>(null);
  /** The original of the row of the point, if the page contains it. */
  original = $state.raw<Row | null>(null);
  nearest = $state.raw<number[]>([]);
  /** The latents that the point started from: a double click on a slider returns to them. */
  base = $state.raw<Float32Array>(new Float32Array(0));
  /** The place of the point on the map; null: not known yet. */
  place = $state.raw<[number, number] | null>(null);
  /** What went wrong last, in one sentence. */
  failure = $state("");
  /** Rows that may be shown as neighbours; null: all. */
  visible: Uint8Array | null = null;

  /** With a condition: a row with the cells that the decoder also gets; other cells may be missing. */
  given = $state.raw<Row | null>(null);

  private readonly decoding = new Latest();
  private readonly encoding = new Latest();
  private readonly rest = settled(() => this.settle(), REST);
  /** The row that gives the condition to the decoder. */
  private condition: number | Row = 0;
  private step = 0;
  /** The point before the reader began to change it. */
  private unedited: Point | null = null;
  /** The map on which the reader chose the place. */
  private placedOn = -1;
  /** The row whose original was requested last. */
  private asked: number | null = null;

  constructor(
    readonly engine: Engine,
    readonly state: PageState,
  ) {}

  /** Begin at the point that was saved, or else at the row that is nearest to the mean. */
  start(): void {
    const { engine, state } = this;
    const saved = state.point;
    if (saved) {
      this.base = saved.latents;
      const row = rowOf(saved.origin);
      if (row !== null) this.base = engine.latents(row);
      this.condition = saved.input ?? row ?? 0;
      this.show(saved);
    } else if (engine.count > 0) {
      const [row] = engine.nearest(meanOf(engine), 1);
      this.goRow(row ?? 0);
    } else {
      this.goMean();
    }
  }

  /** Stop timers. */
  close(): void {
    this.rest.cancel();
  }

  /** Go to a row of the page. */
  goRow(row: number): void {
    this.condition = row;
    this.base = this.engine.latents(row).slice();
    this.show({ origin: { kind: "row", row }, latents: this.base.slice(), input: null });
  }

  /** Go to a place of the map. */
  goPlace(x: number, y: number): void {
    const latents = this.engine.latentsAt(this.state.map, x, y).slice();
    this.place = [x, y];
    this.placedOn = this.state.map;
    this.base = latents;
    this.show({ origin: { kind: "place", x, y }, latents, input: null });
  }

  /** Go to the mean of the latents of all rows. */
  goMean(): void {
    this.base = meanOf(this.engine);
    this.show({ origin: { kind: "mean" }, latents: this.base.slice(), input: null });
  }

  /** Set one latent dimension. */
  setLatent(at: number, value: number): void {
    const point = this.state.point;
    if (!point) return;
    const latents = point.latents.slice();
    latents[at] = value;
    this.show({ origin: { kind: "sliders", row: rowOf(point.origin) }, latents, input: null });
  }

  /** Reset all latents to those of the last row or place. */
  reset(): void {
    const point = this.state.point;
    const row = point && rowOf(point.origin);
    if (row !== null && row !== undefined) this.goRow(row);
    else this.show({ origin: point?.origin ?? { kind: "mean" }, latents: this.base.slice(), input: null });
  }

  /** Undo the reader's changes of a row. */
  undo(): void {
    const before = this.unedited;
    if (before?.origin.kind === "row") this.goRow(before.origin.row);
    else if (before) {
      this.base = before.latents;
      this.show(before);
    } else this.reset();
  }

  /** Go to a place on the straight line from A to B. Args: share: in [0, 1]. */
  goPath(share: number): void {
    const { A, B } = this.state.marks;
    if (!A || !B) return;
    const latents = A.latents.map((value, at) => value + share * (B.latents[at] - value));
    this.base = latents;
    this.show({ origin: { kind: "path", share }, latents, input: null });
  }

  /** Go to A + B - C; a missing letter counts as zero. */
  goArithmetic(): void {
    const { A, B, C } = this.state.marks;
    if (!A && !B && !C) return;
    const part = (mark: Mark | undefined, at: number) => mark?.latents[at] ?? 0;
    const latents = new Float32Array(this.engine.width).map((_, at) => part(A, at) + part(B, at) - part(C, at));
    this.base = latents;
    this.show({ origin: { kind: "arithmetic" }, latents, input: null });
  }

  /** Go to a kept point. */
  goMark(letter: Letter): void {
    const mark = this.state.marks[letter];
    if (!mark) return;
    if (mark.row !== null) this.goRow(mark.row);
    else {
      this.base = mark.latents;
      this.show({ origin: { kind: "sliders", row: null }, latents: mark.latents.slice(), input: null });
    }
  }

  /** Keep the current point as A, B or C. */
  keep(letter: Letter): void {
    const point = this.state.point;
    if (!point) return;
    const row = point.origin.kind === "row" ? point.origin.row : null;
    const mark: Mark = { name: this.title(point), row, latents: point.latents.slice() };
    this.state.marks = { ...this.state.marks, [letter]: mark };
  }

  /** Encode a row that the reader changed, and decode its latents. */
  edit(input: Row): void {
    const { state } = this;
    const before = state.point;
    if (!before) return;
    if (before.origin.kind !== "edited") this.unedited = before;
    const origin: Origin = { kind: "edited", row: rowOf(before.origin) };
    this.condition = input;
    this.given = input;
    state.point = { origin, latents: before.latents, input };
    this.encoding.run(async () => {
      const latents = await this.attempt(() => this.engine.encode(input));
      const now = state.point;
      if (!latents || now?.origin.kind !== "edited") return;
      this.base = latents.slice();
      this.show({ ...now, latents: latents.slice() });
    });
  }

  /** Change the condition. Args: row: its cells in the columns of the condition are given to the decoder. */
  setCondition(row: Row): void {
    this.condition = row;
    this.given = row;
    if (this.state.point) this.show(this.state.point);
  }

  /** Return the name of a point for readers. */
  title(point: Point): string {
    const { origin } = point;
    const name = (row: number) => `row ${count(this.engine.number(row))}`;
    if (origin.kind === "row") return name(origin.row);
    if (origin.kind === "place") return "a place on the map";
    if (origin.kind === "edited") return origin.row === null ? "an edited row" : `${name(origin.row)}, edited`;
    if (origin.kind === "path") return `path from A to B, ${Math.round(origin.share * 100)} %`;
    if (origin.kind === "arithmetic") return "A + B \u2212 C";
    if (origin.kind === "mean") return "the mean of the latents";
    return origin.row === null ? "changed latents" : `${name(origin.row)}, latents changed`;
  }

  /** Update neighbours and the place on the map, after another map was chosen or rows were hidden. */
  refresh(): void {
    this.rest();
  }

  /** Set the point and decode it: at once if the page contains the network, else when the answer arrives. */
  private show(point: Point): void {
    const { engine, state } = this;
    const step = ++this.step;
    state.point = point;
    const row = rowOf(point.origin);
    if (row !== this.asked) void this.load(row);
    this.decode(point, step);
    if (engine.header.maps[state.map]?.plane && point.origin.kind !== "place") {
      this.place = engine.placeOf(state.map, point.latents);
    }
    this.rest();
  }

  private decode(point: Point, step: number): void {
    const { engine } = this;
    if (!engine.canDecode) return;
    const condition = engine.header.condition ? this.condition : undefined;
    let now: Row | null;
    try {
      now = engine.decodeNow(point.latents, condition);
    } catch (error) {
      this.failure = messageOf(error);
      return;
    }
    if (now) {
      this.decoding.clear();
      this.reconstruction = now;
      this.failure = "";
      return;
    }
    this.decoding.run(async () => {
      const row = await this.attempt(() => engine.decode(point.latents, condition));
      // An older answer is shown while a newer one is computed, so that the picture follows the pointer.
      if (row && step <= this.step) this.reconstruction = row;
    });
  }

  private async load(row: number | null): Promise<void> {
    this.asked = row;
    this.original = null;
    if (row === null) return;
    const original = await this.attempt(() => this.engine.original(row));
    if (this.asked !== row) return;
    this.original = original;
    if (this.engine.header.condition) await this.attempt(() => this.readCondition(row));
  }

  /** Read the cells of the condition, which are known even if originals were left out. */
  private async readCondition(row: number): Promise<void> {
    const { engine } = this;
    const cells = new Float64Array(shapeOf(engine.header)[0]).fill(NaN);
    for (const [at, column] of engine.header.columns.entries()) {
      if (column.at !== null && engine.header.condition?.columns.includes(column.at)) {
        cells[column.at] = Number((await engine.values(at))[row]);
      }
    }
    if (this.asked === row) this.given = cells;
  }

  private settle(): void {
    const { engine, state } = this;
    const point = state.point;
    if (!point || engine.count === 0) return;
    this.nearest = this.visibleNeighbours(point);
    const placed = point.origin.kind === "place" && this.placedOn === state.map;
    if (engine.header.maps[state.map] && !placed) this.place = engine.placeOf(state.map, point.latents);
  }

  /** Return the nearest visible rows, without the row itself. */
  private visibleNeighbours(point: Point): number[] {
    const { engine, visible } = this;
    const self = point.origin.kind === "row" ? point.origin.row : -1;
    for (let asked = NEAREST + 1; ; asked *= 8) {
      const found = engine
        .nearest(point.latents, Math.min(asked, engine.count))
        .filter((row) => row !== self && (!visible || visible[row]));
      if (found.length >= NEAREST || asked >= engine.count) return found.slice(0, NEAREST);
    }
  }

  /** Return the answer; or null, with the message in `failure`. */
  private async attempt<T>(act: () => Promise<T>): Promise<T | null> {
    try {
      const answer = await act();
      this.failure = "";
      return answer;
    } catch (error) {
      this.failure = messageOf(error);
      return null;
    }
  }
}

/** Return the row of the page that a point belongs to, or null. */
export function rowOf(origin: Origin): number | null {
  return "row" in origin ? origin.row : null;
}

/** Return the mean of the latents. */
export function meanOf(engine: Engine): Float32Array {
  return Float32Array.from(engine.header.latents?.mean ?? new Float32Array(engine.width));
}

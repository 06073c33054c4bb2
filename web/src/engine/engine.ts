/** The engine itself, see `types.ts`: rows, latents, networks and maps of one page. */

import type { Header } from "../format";
import { createAdapter, type RowAdapter } from "./adapter";
import { ask, numbersOfAnswer, type Blocks } from "./blocks";
import { LatentMap } from "./maps";
import { nearestRows } from "./neighbours";
import { Runner } from "./network";
import { createSource, type Source } from "./originals";
import type { Engine, Row } from "./types";

/** What the decoder gets in addition to latents, and the cells that are copied to the row. */
interface Condition {
  numbers: Float32Array;
  cells: { at: number; value: number }[];
}

interface Loaded {
  latents: Float32Array;
  errors: Float32Array;
  numbers: ArrayLike<number> | null;
}

/** The engine of one page. */
export class PageEngine implements Engine {
  readonly count: number;
  readonly width: number;
  readonly errors: Float32Array;
  private readonly adapter: RowAdapter;
  private readonly decoder: Runner | null;
  private readonly encoder: Runner | null;
  private readonly maps: LatentMap[];
  private readonly source: Source | null;
  private readonly columns = new Map<number, Promise<Float64Array | (string | null)[]>>();
  /** The values of the condition, by the place of the column in a row. */
  private readonly given = new Map<number, Float64Array>();
  /** The raw numbers of decoded rows of a table, from which cellErrors computes probabilities. */
  private readonly raw = new WeakMap<Row, Float32Array>();

  private constructor(
    readonly header: Header,
    private readonly blocks: Blocks,
    private readonly loaded: Loaded,
  ) {
    this.count = header.rows?.count ?? 0;
    this.width = header.model.latents;
    this.errors = loaded.errors;
    this.adapter = createAdapter(header);
    const { decoder, encoder, condition } = header;
    const inputs = condition ? [[this.width], [condition.places.length]] : [[this.width]];
    this.decoder = decoder && decoder.way !== "server" ? new Runner(decoder, blocks, inputs) : null;
    this.encoder = encoder && encoder.way !== "server" ? new Runner(encoder, blocks, [this.adapter.tensorShape]) : null;
    this.maps = header.maps.map((facts) => new LatentMap(facts, blocks, loaded.latents, this.width));
    this.source = createSource(header, blocks, (at) => this.values(at), this.number.bind(this));
  }

  /** Return the engine of a page. */
  static async open(header: Header, blocks: Blocks): Promise<PageEngine> {
    const { rows } = header;
    const none = new Float32Array(0);
    const [latents, errors, numbers] = await Promise.all([
      rows ? blocks.numbers(rows.latents) : none,
      rows ? blocks.numbers(rows.errors) : none,
      rows?.numbers ? blocks.numbers(rows.numbers) : null,
    ]);
    const engine = new PageEngine(header, blocks, {
      latents: latents instanceof Float32Array ? latents : Float32Array.from(latents),
      errors: errors instanceof Float32Array ? errors : Float32Array.from(errors),
      numbers,
    });
    await Promise.all([engine.maps[0]?.points(), engine.loadCondition()]);
    engine.decoder?.prepare();
    return engine;
  }

  latents(row: number): Float32Array {
    return this.loaded.latents.slice(row * this.width, (row + 1) * this.width);
  }

  number(row: number): number {
    return this.loaded.numbers ? this.loaded.numbers[row] : row;
  }

  get canDecode(): boolean {
    return this.decoder !== null || (this.header.decoder?.way === "server" && this.header.base !== null);
  }

  get canEncode(): boolean {
    return this.encoder !== null || (this.header.encoder?.way === "server" && this.header.base !== null);
  }

  async decode(latents: Float32Array, condition?: number | Row): Promise<Row> {
    if (!this.canDecode) throw new Error("This page has no decoder.");
    const given = this.conditionOf(condition);
    const inputs = this.inputs(latents, given);
    if (this.decoder) return this.shown(await this.decoder.run(inputs), given);
    const body = new Float32Array(inputs.flatMap((each) => Array.from(each)));
    const answer = await ask(`${this.header.base}decode`, "a reconstruction", body);
    const row = this.adapter.emptyRow();
    row.set(await numbersOfAnswer(answer, row.length));
    return withCondition(row, given);
  }

  decodeNow(latents: Float32Array, condition?: number | Row): Row | null {
    const given = this.conditionOf(condition);
    const raw = this.decoder?.now(this.inputs(latents, given));
    return raw ? this.shown(raw, given) : null;
  }

  async encode(row: Row): Promise<Float32Array> {
    if (!this.canEncode) throw new Error("This page has no encoder.");
    const tensor = this.adapter.toTensor(row); // which also checks the cells
    if (this.encoder) return this.encoder.run([tensor]);
    const body = this.header.adapter.kind === "table" ? Float64Array.from(row) : Float32Array.from(row);
    const answer = await ask(`${this.header.base}encode`, "the latents of a row", body);
    return Float32Array.from(await numbersOfAnswer(answer, this.width));
  }

  async original(row: number): Promise<Row | null> {
    return this.source ? this.source.row(row) : null;
  }

  cellErrors(row: Row, reconstruction: Row): Float32Array {
    const errors = this.adapter.cellErrors(row, reconstruction, this.raw.get(reconstruction));
    for (const at of this.header.condition?.columns ?? []) errors[at] = 0; // given to the decoder
    return errors;
  }

  nearest(latents: Float32Array, count: number): number[] {
    return nearestRows(this.loaded.latents, latents, count).rows;
  }

  values(column: number): Promise<Float64Array | (string | null)[]> {
    const { kind, block } = this.header.columns[column];
    const known = this.columns.get(column);
    if (known) return known;
    // Values that were left out of the page are missing.
    if (!(block in this.header.blocks)) return Promise.resolve(new Float64Array(this.count).fill(NaN));
    const found =
      kind === "text" ? (this.blocks.json(block) as Promise<(string | null)[]>) : this.blocks.doubles(block);
    this.columns.set(column, found);
    found.catch(() => this.columns.delete(column));
    return found;
  }

  map(at: number): Promise<Float32Array> {
    return this.maps[at].points();
  }

  latentsAt(at: number, x: number, y: number): Float32Array {
    return this.maps[at].latentsAt(x, y);
  }

  rowsAt(at: number, x: number, y: number, count: number): number[] {
    return this.maps[at].rowsAt(x, y, count).rows;
  }

  placeOf(at: number, latents: Float32Array): [number, number] {
    return this.maps[at].placeOf(latents);
  }

  numbers(block: string): Promise<Float32Array | Float64Array> {
    return this.blocks.numbers(block);
  }

  json(block: string): Promise<unknown> {
    return this.blocks.json(block);
  }

  bytes(block: string): Promise<Uint8Array> {
    return this.blocks.bytes(block);
  }

  close(): void {
    this.decoder?.close();
    this.encoder?.close();
    this.source?.close();
  }

  private inputs(latents: Float32Array, given: Condition | null): Float32Array[] {
    if (latents.length !== this.width) throw new Error(`Expected ${this.width} latents, got ${latents.length}.`);
    return given ? [latents, given.numbers] : [latents];
  }

  /** Return the row of the raw numbers of the decoder. */
  private shown(raw: Float32Array, given: Condition | null): Row {
    const row = withCondition(this.adapter.toRow(raw), given);
    if (this.header.adapter.kind === "table") this.raw.set(row, raw.slice());
    return row;
  }

  private async loadCondition(): Promise<void> {
    for (const place of this.header.condition?.columns ?? []) {
      const at = this.header.columns.findIndex((column) => column.at === place);
      if (at >= 0 && this.blocks.has(this.header.columns[at].block)) {
        this.given.set(place, (await this.values(at)) as Float64Array);
      }
    }
  }

  /** Return the condition of a row; null for a model without one. */
  private conditionOf(row: number | Row | undefined): Condition | null {
    const { condition } = this.header;
    if (!condition) return null;
    if (row === undefined) throw new Error("This model has a condition: choose the row that gives it.");
    const cells = condition.columns.map((at) => {
      const value = typeof row === "number" ? this.given.get(at)?.[row] : row[at];
      if (value === undefined) throw new Error("The condition of this row was left out of the page.");
      return { at, value };
    });
    const whole = withCondition(this.adapter.emptyRow(), { numbers: new Float32Array(0), cells });
    const tensor = this.adapter.toTensor(whole);
    return { numbers: Float32Array.from(condition.places, (place) => tensor[place]), cells };
  }
}

function withCondition(row: Row, condition: Condition | null): Row {
  for (const { at, value } of condition?.cells ?? []) row[at] = value;
  return row;
}

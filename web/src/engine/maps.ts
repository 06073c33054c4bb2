/** Maps of a page: places of rows, and the latents between them. Coordinates are in [0, 1]; others are allowed. */

import type { MapFacts } from "../format";
import type { Blocks } from "./blocks";
import { Grid, nearestRows, weightsOf, type Neighbours } from "./neighbours";

const AROUND = 8; // neighbours whose latents give those of a place
type Scale = { low: number[]; high: number[] };

/** One map. */
export class LatentMap {
  private loaded: Float32Array | null = null;
  private loading: Promise<Float32Array> | null = null;
  private known: Grid | null = null;

  constructor(
    private readonly facts: MapFacts,
    private readonly blocks: Blocks,
    /** (rows, width). */
    private readonly latents: Float32Array,
    private readonly width: number,
  ) {}

  /** Return the coordinates, (rows, 2). */
  points(): Promise<Float32Array> {
    this.loading ??= this.load().catch((error: unknown) => {
      this.loading = null;
      throw error;
    });
    return this.loading;
  }

  private async load(): Promise<Float32Array> {
    const codes = await this.blocks.codes(this.facts.block);
    const { scale, missing } = this.blocks.block(this.facts.block);
    const most = scale?.most ?? 1;
    const points = new Float32Array(codes.length);
    for (let at = 0; at < codes.length; at++) points[at] = codes[at] === missing ? NaN : codes[at] / most;
    this.loaded = points;
    return points;
  }

  /** Return the rows that are nearest to a place; none before the map has been loaded. */
  rowsAt(x: number, y: number, count: number): Neighbours {
    if (!this.loaded) return { rows: [], distances: [] };
    this.known ??= new Grid(this.loaded);
    return this.known.nearest(x, y, count);
  }

  /** Return the latents of a place: exact on a plane, else a weighted mean of the nearest rows. */
  latentsAt(x: number, y: number): Float32Array {
    const found = new Float32Array(this.width);
    const scale = this.plane;
    if (scale) {
      [x, y].slice(0, this.width).forEach((share, axis) => {
        found[axis] = scale.low[axis] + share * (scale.high[axis] - scale.low[axis]);
      });
      return found;
    }
    if (!this.loaded) throw new Error(`The map ${this.facts.name} is still being read.`);
    const { rows, distances } = this.rowsAt(x, y, AROUND + 1);
    weightsOf(distances).forEach((weight, at) => {
      const start = rows[at] * this.width;
      for (let axis = 0; axis < this.width; axis++) found[axis] += weight * this.latents[start + axis];
    });
    return found;
  }

  /** Return the place of latents: exact on a plane, else the weighted mean of the places of the nearest rows.
   *
   * Before the map has been loaded, it is the middle.
   */
  placeOf(latents: Float32Array): [number, number] {
    const scale = this.plane;
    if (scale) {
      const share = (axis: number) => (latents[axis] - scale.low[axis]) / (scale.high[axis] - scale.low[axis] || 1);
      return [share(0), this.width > 1 ? share(1) : 0]; // one latent: all points have y = 0
    }
    const place: [number, number] = [0, 0];
    if (!this.loaded) return [0.5, 0.5];
    const { rows, distances } = nearestRows(this.latents, latents, AROUND + 1);
    for (const [at, weight] of weightsOf(distances).entries()) {
      place[0] += weight * this.loaded[2 * rows[at]];
      place[1] += weight * this.loaded[2 * rows[at] + 1];
    }
    return place;
  }

  private get plane(): Scale | null {
    return (this.facts.plane && this.blocks.block(this.facts.block).scale) || null;
  }
}

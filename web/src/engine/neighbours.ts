/**
 * Nearest rows: in latents by brute force, on a map by a grid of square cells.
 *
 * Order: the k smallest distances, latents, the grid, weights of neighbours.
 */

/** Rows and their distances, the nearest first. */
export interface Neighbours {
  rows: number[];
  distances: number[];
}

/** The k smallest of many distances: a heap with the largest one first. */
export class Smallest {
  private readonly rows: Uint32Array;
  private readonly distances: Float64Array;
  private count = 0;
  /** Distances from this one on are not among the smallest. */
  limit: number;

  constructor(private readonly most: number) {
    this.rows = new Uint32Array(most);
    this.distances = new Float64Array(most);
    this.limit = most > 0 ? Infinity : -Infinity;
  }

  /** Keep a distance below the limit. */
  add(row: number, distance: number): void {
    if (this.count < this.most) this.rise(this.count++, row, distance);
    else this.sink(row, distance);
    if (this.count === this.most) this.limit = this.distances[0];
  }

  private rise(at: number, row: number, distance: number): void {
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (this.distances[parent] >= distance) break;
      this.put(at, this.rows[parent], this.distances[parent]);
      at = parent;
    }
    this.put(at, row, distance);
  }

  private sink(row: number, distance: number): void {
    let at = 0;
    for (let child = 1; child < this.most; child = 2 * at + 1) {
      if (child + 1 < this.most && this.distances[child + 1] > this.distances[child]) child++;
      if (this.distances[child] <= distance) break;
      this.put(at, this.rows[child], this.distances[child]);
      at = child;
    }
    this.put(at, row, distance);
  }

  private put(at: number, row: number, distance: number): void {
    this.rows[at] = row;
    this.distances[at] = distance;
  }

  /** Return the kept rows, the nearest first; `distances` are the square roots of those that were added. */
  result(): Neighbours {
    const { rows, distances } = this;
    const order = Array.from({ length: this.count }, (_, at) => at);
    order.sort((a, b) => distances[a] - distances[b] || rows[a] - rows[b]);
    return { rows: order.map((at) => rows[at]), distances: order.map((at) => Math.sqrt(distances[at])) };
  }
}

/** Return the rows whose latents, (rows, width), are nearest to a place, (width,). */
export function nearestRows(latents: Float32Array, place: ArrayLike<number>, count: number): Neighbours {
  const width = place.length;
  const rows = width ? Math.floor(latents.length / width) : 0;
  const smallest = new Smallest(Math.min(count, rows));
  const whole = width - (width % 4);
  for (let row = 0, start = 0; row < rows; row++, start += width) {
    let sum = 0;
    let at = 0;
    for (; at < whole && sum < smallest.limit; at += 4) {
      const a = latents[start + at] - place[at];
      const b = latents[start + at + 1] - place[at + 1];
      const c = latents[start + at + 2] - place[at + 2];
      const d = latents[start + at + 3] - place[at + 3];
      sum += a * a + b * b + c * c + d * d;
    }
    if (at < whole) continue;
    for (; at < width; at++) sum += (latents[start + at] - place[at]) ** 2;
    if (sum < smallest.limit) smallest.add(row, sum);
  }
  return smallest.result();
}

/** Points on a map, sorted into the cells of a grid over [0, 1] x [0, 1]. */
export class Grid {
  private readonly side: number;
  private readonly starts: Uint32Array;
  private readonly order: Uint32Array;

  /** `points`: (count, 2), x and y in turn; those with NaN are left out. */
  constructor(private readonly points: Float32Array) {
    const count = points.length / 2;
    this.side = Math.min(1024, Math.max(1, Math.ceil(Math.sqrt(count / 2))));
    this.starts = new Uint32Array(this.side * this.side + 1);
    const cells = new Int32Array(count);
    for (let row = 0; row < count; row++) {
      const [x, y] = [points[2 * row], points[2 * row + 1]];
      cells[row] = x === x && y === y ? this.column(y) * this.side + this.column(x) : -1;
      if (cells[row] >= 0) this.starts[cells[row] + 1]++;
    }
    for (let cell = 0; cell < this.starts.length - 1; cell++) this.starts[cell + 1] += this.starts[cell];
    this.order = new Uint32Array(this.starts[this.starts.length - 1]);
    const next = this.starts.slice();
    for (let row = 0; row < count; row++) if (cells[row] >= 0) this.order[next[cells[row]]++] = row;
  }

  private column(x: number): number {
    return Math.min(this.side - 1, Math.max(0, Math.floor(x * this.side)));
  }

  /** Return the points that are nearest to a place, which may be outside the map. */
  nearest(x: number, y: number, count: number): Neighbours {
    const smallest = new Smallest(Math.min(count, this.order.length));
    const [column, line] = [this.column(x), this.column(y)];
    for (let ring = 0; ring < this.side; ring++) {
      this.visit(column, line, ring, (row) => {
        const distance = (this.points[2 * row] - x) ** 2 + (this.points[2 * row + 1] - y) ** 2;
        if (distance < smallest.limit) smallest.add(row, distance);
      });
      const free = Math.min(this.free(x, column, ring), this.free(y, line, ring));
      if (free > 0 && free * free >= smallest.limit) break;
    }
    return smallest.result();
  }

  /** Call `use` with each point of the cells that are `ring` cells away. */
  private visit(column: number, line: number, ring: number, use: (row: number) => void): void {
    const [left, right] = [Math.max(0, column - ring), Math.min(this.side - 1, column + ring)];
    const [top, bottom] = [Math.max(0, line - ring), Math.min(this.side - 1, line + ring)];
    for (let at = top; at <= bottom; at++) {
      const whole = Math.abs(at - line) === ring;
      if (whole) {
        this.scan(at * this.side + left, at * this.side + right, use);
        continue;
      }
      if (column - ring >= 0) this.scan(at * this.side + left, at * this.side + left, use);
      if (column + ring < this.side) this.scan(at * this.side + right, at * this.side + right, use);
    }
  }

  private scan(from: number, to: number, use: (row: number) => void): void {
    const end = this.starts[to + 1];
    for (let at = this.starts[from]; at < end; at++) use(this.order[at]);
  }

  /** Return the least distance of a point that was not visited, along one axis; no points are outside the map. */
  private free(x: number, column: number, ring: number): number {
    const before = column - ring > 0 ? x - (column - ring) / this.side : Infinity;
    const after = column + ring < this.side - 1 ? (column + ring + 1) / this.side - x : Infinity;
    return Math.min(before, after);
  }
}

/**
 * Return the weights of neighbours, which add up to 1; the last neighbour has weight 0, and its distance is the reach.
 *
 * They are inverse distances that fall to 0 at the reach, (1/d - 1/reach)^2, so that the mean does not jump when a
 * neighbour is replaced by another during a drag. At a point itself, this point has all the weight.
 * Source: Franke & Nielson 1980, doi:10.1002/nme.1620151110.
 */
export function weightsOf(distances: number[]): number[] {
  const reach = distances[distances.length - 1];
  const here = distances.filter((each) => each === 0).length;
  if (here > 0) return distances.map((each) => (each === 0 ? 1 / here : 0));
  const weights = distances.map((each) => (1 / each - 1 / reach) ** 2);
  const sum = weights.reduce((all, each) => all + each, 0);
  if (!(sum > 0)) return distances.map(() => 1 / distances.length); // all are equally far
  return weights.map((each) => each / sum);
}

import { describe, expect, it } from "vitest";
import { LatentMap } from "../src/engine/maps";
import { Grid, nearestRows, weightsOf } from "../src/engine/neighbours";
import { pointsInside } from "../src/engine/polygon";
import { Blocks } from "../src/engine/blocks";
import { blocksOf } from "./engine-page";

function made(count: number, seed: number): Float32Array {
  let state = seed;
  return Float32Array.from({ length: count }, () => (state = (state * 16807) % 2147483647) / 2147483647);
}

/** All rows by their distance, sorted by plain JavaScript. */
function naive(points: Float32Array, place: number[], count: number): number[] {
  const width = place.length;
  const distance = (row: number) =>
    place.reduce((sum, value, axis) => sum + (points[row * width + axis] - value) ** 2, 0);
  const rows = Array.from({ length: points.length / width }, (_, row) => row);
  return rows.sort((a, b) => distance(a) - distance(b) || a - b).slice(0, count);
}

describe("nearest rows in latents", () => {
  it.each([
    [1, 5],
    [2, 8],
    [7, 1],
    [32, 20],
    [6, 1500],
  ])("of width %i are those of a sort, %i of them", (width, count) => {
    const latents = made(2000 * width, 3);
    const place = Array.from(made(width, 8));
    const found = nearestRows(latents, place, count);
    expect(found.rows).toEqual(naive(latents, place, count));
    const first = found.rows[0];
    const sum = place.reduce((all, value, axis) => all + (latents[first * width + axis] - value) ** 2, 0);
    expect(found.distances[0]).toBeCloseTo(Math.sqrt(sum), 6);
  });

  it("come in the order of rows where they are equally far, and leave NaN out", () => {
    const latents = Float32Array.of(1, 1, NaN, 0, 1);
    expect(nearestRows(latents, [1], 9).rows).toEqual([0, 1, 4, 3]);
    expect(nearestRows(latents, [1], 2000).rows).toEqual([0, 1, 4, 3]);
    expect(nearestRows(latents, [1], 2).rows).toEqual([0, 1]);
    expect(nearestRows(latents, [1], 0).rows).toEqual([]);
    expect(nearestRows(new Float32Array(0), [1], 3).rows).toEqual([]);
  });
});

describe("the grid of a map", () => {
  const points = made(6000, 5);
  // Two dense clusters and a few points far away, as maps have them.
  for (let at = 0; at < 4000; at++) points[at] = (at % 4 < 2 ? 0.1 : 0.8) + points[at] / 50;

  it("gives the points that a sort gives, inside and outside the map", () => {
    const grid = new Grid(points);
    const places = made(200, 9);
    for (let at = 0; at < 100; at++) {
      const place = [places[2 * at] * 1.6 - 0.3, places[2 * at + 1] * 1.6 - 0.3];
      expect(grid.nearest(place[0], place[1], 9).rows).toEqual(naive(points, place, 9));
    }
  });

  it("gives all points where more are asked for, and leaves NaN out", () => {
    expect(new Grid(Float32Array.of(0, 0, NaN, 0.5, 1, 1)).nearest(0.9, 0.9, 8).rows).toEqual([2, 0]);
    expect(new Grid(new Float32Array(0)).nearest(0.5, 0.5, 8).rows).toEqual([]);
    expect(new Grid(Float32Array.of(0.5, 0.5, 0.5, 0.5, 0.5, 0.5)).nearest(0, 1, 2).rows).toEqual([0, 1]);
  });
});

describe("weights of neighbours", () => {
  it("are squares of 1/d - 1/reach that add up to 1", () => {
    // (1 - 1/4)^2 = 9/16, (1/2 - 1/4)^2 = 1/16, 0.
    expect(weightsOf([1, 2, 4])).toEqual([0.9, 0.1, 0]);
  });

  it("are all at a point itself, and equal where all are equally far", () => {
    expect(weightsOf([0, 1, 2])).toEqual([1, 0, 0]);
    expect(weightsOf([0, 0, 2])).toEqual([0.5, 0.5, 0]);
    expect(weightsOf([2, 2])).toEqual([0.5, 0.5]);
    expect(weightsOf([3])).toEqual([1]);
    expect(weightsOf([])).toEqual([]);
  });
});

describe("a map", async () => {
  const scale = { low: [-2, 10], high: [2, 30], most: 65534 };
  const codes = Array.from(made(400, 4), (share) => Math.round(share * 65534));
  const { facts, root } = await blocksOf({ map: { type: "u2", values: codes, shape: [200, 2], scale } });
  const latents = made(600, 11);
  const open = (plane: boolean, width: number) =>
    new LatentMap({ name: "m", block: "map", plane, note: "" }, new Blocks(facts, null, root), latents, width);

  it("has coordinates in [0, 1], whatever its scale", async () => {
    const points = await open(false, 3).points();
    expect(points[0]).toBeCloseTo(codes[0] / 65534, 6);
    expect(Math.min(...points)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...points)).toBeLessThanOrEqual(1);
  });

  it("of two latents is exact in both directions, also outside and before it is loaded", () => {
    const plane = open(true, 2);
    expect(Array.from(plane.latentsAt(0.25, 0.5))).toEqual([-1, 20]);
    expect(Array.from(plane.latentsAt(1.5, 0))).toEqual([4, 10]);
    expect(plane.placeOf(Float32Array.of(-1, 20))).toEqual([0.25, 0.5]);
    expect(Array.from(open(true, 1).latentsAt(0.75, 0.3))).toEqual([1]);
    expect(open(true, 1).placeOf(Float32Array.of(1))).toEqual([0.75, 0]);
  });

  it("gives the latents of a row at its point, and their weighted mean between rows", async () => {
    const map = open(false, 3);
    const points = await map.points();
    const at = (row: number) => Array.from(latents.subarray(3 * row, 3 * row + 3));
    expect(Array.from(map.latentsAt(points[20], points[21]))).toEqual(at(10));
    expect(map.placeOf(latents.subarray(30, 33))).toEqual([points[20], points[21]]);
    const near = naive(points, [0.4, 0.6], 9);
    const far = near.map((row) => Math.hypot(points[2 * row] - 0.4, points[2 * row + 1] - 0.6));
    const weights = far.map((each) => (1 / each - 1 / far[8]) ** 2);
    const sum = weights.reduce((all, each) => all + each);
    [0, 1, 2].forEach((axis) => {
      const mean = near.reduce((all, row, place) => all + (weights[place] / sum) * at(row)[axis], 0);
      expect(map.latentsAt(0.4, 0.6)[axis]).toBeCloseTo(mean, 6);
    });
    expect(map.rowsAt(0.4, 0.6, 9).rows).toEqual(near);
  });

  it("does not jump while one drags over it", async () => {
    const map = open(false, 3);
    await map.points();
    const path = Array.from({ length: 20001 }, (_, step) => map.latentsAt(step / 20000, 0.37));
    let largest = 0;
    for (let step = 1; step < path.length; step++) {
      path[step].forEach((value, axis) => (largest = Math.max(largest, Math.abs(value - path[step - 1][axis]))));
    }
    // Along a path of 1 in 20,000 steps; with plain inverse distances it jumps by 0.06.
    expect(largest).toBeLessThan(0.005);
  });
});

describe("a lasso", () => {
  /** Whether the polygon winds around a point an odd number of times, from the angles of its corners. */
  function windsAround(x: number, y: number, polygon: number[]): boolean {
    let turn = 0;
    for (let at = 0; at < polygon.length; at += 2) {
      const next = (at + 2) % polygon.length;
      const a = Math.atan2(polygon[at + 1] - y, polygon[at] - x);
      const b = Math.atan2(polygon[next + 1] - y, polygon[next] - x);
      turn += ((b - a + 3 * Math.PI) % (2 * Math.PI)) - Math.PI;
    }
    return Math.round(turn / (2 * Math.PI)) % 2 !== 0;
  }

  it("contains the points that it winds around, also where it crosses itself", () => {
    const points = made(6000, 21);
    const star: number[] = [];
    for (let at = 0; at < 5; at++) star.push(0.5 + 0.4 * Math.cos(2.513 * at), 0.5 + 0.4 * Math.sin(2.513 * at));
    const expected = Array.from({ length: 3000 }, (_, row) => row).filter((row) =>
      windsAround(points[2 * row], points[2 * row + 1], star),
    );
    expect(expected.length).toBeGreaterThan(300);
    expect(Array.from(pointsInside(points, star))).toEqual(expected);
  });

  it("with many corners agrees with the winding, too", () => {
    const points = made(4000, 33);
    const round: number[] = [];
    for (let at = 0; at < 400; at++) {
      const far = 0.3 + 0.1 * Math.sin(at * 1.7);
      round.push(0.5 + far * Math.cos(at / 63.66), 0.5 + far * Math.sin(at / 63.66));
    }
    const expected = Array.from({ length: 2000 }, (_, row) => row).filter((row) =>
      windsAround(points[2 * row], points[2 * row + 1], round),
    );
    expect(Array.from(pointsInside(points, round))).toEqual(expected);
  });

  it("is empty where it has no area, and leaves NaN out", () => {
    const points = Float32Array.of(0.5, 0.5, NaN, 0.5);
    expect(Array.from(pointsInside(points, [0, 0, 1, 1]))).toEqual([]);
    expect(Array.from(pointsInside(points, [0, 0.5, 1, 0.5, 0.2, 0.5]))).toEqual([]);
    expect(Array.from(pointsInside(points, [0, 0, 1, 0, 1, 1, 0, 1]))).toEqual([0]);
  });
});

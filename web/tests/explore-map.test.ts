import { describe, expect, it } from "vitest";
import { panBy, pointSize, toMap, toScreen, WHOLE, zoomAt } from "../src/explore/camera";
import { rectangle } from "../src/explore/gestures";
import { paint } from "../src/explore/scatter-canvas";
import { toPlaces } from "../src/explore/scatter";
import type { Scene } from "../src/explore/scene";

const size = { width: 800, height: 600 };

describe("the camera", () => {
  it("maps places to pixels and back, with y upwards", () => {
    const camera = { x: 0.3, y: 0.6, zoom: 3 };
    const [px, py] = toScreen(camera, size, 0.7, 0.2);
    expect(toMap(camera, size, px, py)).toEqual([expect.closeTo(0.7, 10), expect.closeTo(0.2, 10)]);
    expect(toScreen(camera, size, 0.3, 0.9)[1]).toBeLessThan(toScreen(camera, size, 0.3, 0.1)[1]);
  });

  it("shows the whole map at zoom 1", () => {
    for (const [x, y] of [
      [0, 0],
      [1, 1],
    ]) {
      const [px, py] = toScreen(WHOLE, size, x, y);
      expect(px > 0 && px < 800 && py > 0 && py < 600).toBe(true);
    }
  });

  it("keeps the place under the pointer while it zooms", () => {
    const before = { x: 0.4, y: 0.5, zoom: 2 };
    const place = toMap(before, size, 100, 450);
    const after = zoomAt(before, size, 100, 450, 1.7);
    expect(toMap(after, size, 100, 450)).toEqual([expect.closeTo(place[0], 9), expect.closeTo(place[1], 9)]);
    expect(after.zoom).toBeCloseTo(3.4);
  });

  it("follows the pointer while it pans, and stays near the map", () => {
    const place = toMap(WHOLE, size, 300, 300);
    const moved = panBy(WHOLE, size, 20, -30);
    expect(toMap(moved, size, 320, 270)).toEqual([expect.closeTo(place[0], 9), expect.closeTo(place[1], 9)]);
    expect(panBy(WHOLE, size, 1e6, 0).x).toBeGreaterThan(-1);
  });

  it("draws fewer rows with larger points, and grows them with the zoom", () => {
    expect(pointSize(1000, 1)).toBeGreaterThan(pointSize(1_000_000, 1));
    expect(pointSize(1000, 4)).toBeGreaterThan(pointSize(1000, 1));
  });
});

describe("points on a plain canvas", () => {
  function drawn(change: Partial<Scene>): { at: (x: number, y: number) => number[]; filled: number } {
    const scene: Scene = {
      places: toPlaces(Float32Array.of(0.5, 0.5, 0.25, 0.75)),
      colours: Uint8Array.of(255, 0, 0, 255, 0, 0, 255, 255),
      selected: new Uint32Array(0),
      camera: WHOLE,
      size: { width: 100, height: 100 },
      density: 1,
      ground: [255, 255, 255],
      ink: [0, 0, 0],
      ...change,
    };
    const pixels = new Uint32Array(100 * 100);
    paint(pixels, 100, 100, scene);
    const bytes = new Uint8Array(pixels.buffer);
    return {
      at: (x, y) => [...bytes.subarray(4 * (y * 100 + x), 4 * (y * 100 + x) + 4)],
      filled: pixels.filter((pixel) => pixel !== 0).length,
    };
  }

  it("stand where the camera says", () => {
    const { at } = drawn({});
    const [x, y] = toScreen(WHOLE, { width: 100, height: 100 }, 0.25, 0.75).map(Math.round);
    expect(at(50, 50)).toEqual([255, 0, 0, 255]);
    expect(at(x, y)).toEqual([0, 0, 255, 255]);
    expect(at(5, 5)).toEqual([0, 0, 0, 0]);
  });

  it("are not drawn when they are hidden or outside", () => {
    const hidden = drawn({ colours: Uint8Array.of(255, 0, 0, 0, 0, 0, 255, 255) });
    expect(hidden.at(50, 50)).toEqual([0, 0, 0, 0]);
    expect(drawn({ camera: { x: 1.2, y: 1.2, zoom: 100 } }).filled).toBe(0);
    expect(drawn({ camera: { x: 0.5, y: 0.5, zoom: 200 } }).at(50, 50)).toEqual([255, 0, 0, 255]);
  });

  it("are larger when they are selected, and the others fade", () => {
    const plain = drawn({});
    const { at, filled } = drawn({ selected: Uint32Array.of(1) });
    expect(filled).toBeGreaterThan(plain.filled);
    const [red, green, blue] = at(50, 50);
    expect(red).toBe(255);
    expect(green).toBeGreaterThan(120);
    expect(green).toBe(blue);
  });
});

it("a rectangle has four corners", () => {
  expect(rectangle([1, 2], [5, 9])).toEqual([
    [1, 2],
    [5, 2],
    [5, 9],
    [1, 9],
  ]);
});

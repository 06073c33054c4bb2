/** What the painters of the map draw, and what a painter does. */

import type { Camera, Size } from "./camera";

/** What is drawn. Arrays are replaced, not changed in place, except `colours`. */
export interface Scene {
  /** (count, 2), u16: places of the map, 65535 is 1. */
  places: Uint16Array;
  /** (count, 4), RGBA; alpha 0: the point is hidden. */
  colours: Uint8Array;
  /** Rows that are drawn larger and last. */
  selected: Uint32Array;
  camera: Camera;
  size: Size;
  /** Pixels of the screen per CSS pixel. */
  density: number;
  /** The colour of the background, and of rings around selected points; [0, 255]. */
  ground: [number, number, number];
  ink: [number, number, number];
}

/** What changed since the last frame. */
export interface Changes {
  places: boolean;
  colours: boolean;
  selected: boolean;
}

/** One way to draw. */
export interface Painter {
  readonly way: "webgl2" | "canvas";
  readonly canvas: HTMLCanvasElement;
  /** Draw now. */
  draw(scene: Scene, changes: Changes): void;
  /** Release memory. */
  close(): void;
}

/** Opacity of points that are not selected while others are. */
export const FADED = 0.35;

/** Above this number of selected rows, rings around them would hide the map and take long. */
export const RINGS = 20_000;

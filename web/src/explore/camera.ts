/**
 * The visible part of the map: from map coordinates, [0, 1] by [0, 1] with y upwards, to CSS pixels, with y downwards.
 *
 * Both axes have the same scale. At zoom 1 the whole map fits into the shorter side.
 */

/** The place of the map in the middle of the view, and how much it is enlarged. */
export interface Camera {
  x: number;
  y: number;
  zoom: number;
}

/** The size of a view, in CSS pixels. */
export interface Size {
  width: number;
  height: number;
}

export const WHOLE: Camera = { x: 0.5, y: 0.5, zoom: 1 };

/** Share of the shorter side that the map fills at zoom 1. */
const FILL = 0.92;

/** Coordinates are rounded to 65,534 steps; above this zoom, the steps would be visible. */
const MOST = 200;
const LEAST = 0.5;

/** Return the number of CSS pixels of one unit of the map. */
export function scaleOf(camera: Camera, size: Size): number {
  return Math.max(1, Math.min(size.width, size.height)) * FILL * camera.zoom;
}

/** Return the pixel of a place of the map. */
export function toScreen(camera: Camera, size: Size, x: number, y: number): [number, number] {
  const scale = scaleOf(camera, size);
  return [size.width / 2 + (x - camera.x) * scale, size.height / 2 - (y - camera.y) * scale];
}

/** Return the place of the map under a pixel. */
export function toMap(camera: Camera, size: Size, px: number, py: number): [number, number] {
  const scale = scaleOf(camera, size);
  return [camera.x + (px - size.width / 2) / scale, camera.y - (py - size.height / 2) / scale];
}

/** Return the camera moved by pixels; it stays near the map. */
export function panBy(camera: Camera, size: Size, dx: number, dy: number): Camera {
  const scale = scaleOf(camera, size);
  return { x: limit(camera.x - dx / scale), y: limit(camera.y + dy / scale), zoom: camera.zoom };
}

/** Return the camera zoomed by a factor; the place under a pixel stays there. */
export function zoomAt(camera: Camera, size: Size, px: number, py: number, factor: number): Camera {
  const zoom = Math.min(MOST, Math.max(LEAST, camera.zoom * factor));
  const [x, y] = toMap(camera, size, px, py);
  const share = camera.zoom / zoom;
  return { x: limit(x + (camera.x - x) * share), y: limit(y + (camera.y - y) * share), zoom };
}

/** Return the diameter of a point in CSS pixels: smaller for many rows, larger with the zoom. */
export function pointSize(count: number, zoom: number): number {
  const base = 7 * (1000 / Math.max(1000, count)) ** 0.18;
  return Math.min(16, Math.max(1.5, base * zoom ** 0.35));
}

function limit(place: number): number {
  return Math.min(1.2, Math.max(-0.2, place));
}

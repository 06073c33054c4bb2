/** Points without WebGL: their pixels are written into an image, which is faster than a million calls of `fillRect`. */

import { pointSize, scaleOf } from "./camera";
import { FADED, RINGS, type Painter, type Scene } from "./scene";

/** Draws on a plain canvas. */
export class CanvasPainter implements Painter {
  readonly way = "canvas";
  readonly canvas = document.createElement("canvas");
  private image: ImageData | null = null;

  draw(scene: Scene): void {
    const context = this.canvas.getContext("2d");
    if (!context) return;
    const width = Math.max(1, Math.round(scene.size.width * scene.density));
    const height = Math.max(1, Math.round(scene.size.height * scene.density));
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
      this.image = null;
    }
    this.image ??= context.createImageData(width, height);
    const pixels = new Uint32Array(this.image.data.buffer);
    pixels.fill(0);
    paint(pixels, width, height, scene);
    context.putImageData(this.image, 0, 0);
  }

  close(): void {
    this.image = null;
  }
}

/** Write all points into pixels (height, width); each pixel is one number with red in its lowest byte. */
export function paint(pixels: Uint32Array, width: number, height: number, scene: Scene): void {
  const { colours, selected, ground, ink } = scene;
  const count = scene.places.length / 2;
  const size = pointSize(count, scene.camera.zoom) * scene.density;
  const at = places(width, height, scene);
  const fade = selected.length ? FADED : 1;
  const dot = stamp(pixels, width, height, size);
  for (let row = 0; row < count; row++) {
    if (colours[4 * row + 3]) dot(at.x(row), at.y(row), faded(colours, 4 * row, ground, fade));
  }
  const ring = stamp(pixels, width, height, size + 5 * scene.density);
  const large = stamp(pixels, width, height, size + 2 * scene.density);
  const dark = packed(ink[0], ink[1], ink[2]);
  const ringed = selected.length <= RINGS ? selected : [];
  for (const row of ringed) if (colours[4 * row + 3]) ring(at.x(row), at.y(row), dark);
  for (const row of selected) {
    if (colours[4 * row + 3]) large(at.x(row), at.y(row), faded(colours, 4 * row, ground, 1));
  }
}

/** Return functions from a row to its pixel. */
function places(width: number, height: number, scene: Scene) {
  const scale = scaleOf(scene.camera, scene.size) * scene.density;
  const left = width / 2 - scene.camera.x * scale;
  const top = height / 2 + scene.camera.y * scale;
  const step = scale / 65535;
  const from = scene.places;
  return {
    x: (row: number) => left + from[2 * row] * step,
    y: (row: number) => top - from[2 * row + 1] * step,
  };
}

/** Return a function that writes a disc of one size; a small one is a square. */
function stamp(pixels: Uint32Array, width: number, height: number, size: number) {
  const side = Math.max(1, Math.round(size));
  // How far each line of the disc is indented.
  const indents = new Uint8Array(side);
  if (side >= 4) {
    for (let line = 0; line < side; line++) {
      const from = line + 0.5 - side / 2;
      indents[line] = Math.round(side / 2 - Math.sqrt(Math.max(0, (side * side) / 4 - from * from)));
    }
  }
  return (x: number, y: number, colour: number) => {
    const left = Math.round(x - side / 2);
    const top = Math.round(y - side / 2);
    if (left <= -side || top <= -side || left >= width || top >= height) return;
    const last = Math.min(side, height - top);
    for (let line = Math.max(0, -top); line < last; line++) {
      const start = (top + line) * width;
      const end = start + Math.min(width, left + side - indents[line]);
      for (let at = start + Math.max(0, left + indents[line]); at < end; at++) pixels[at] = colour;
    }
  };
}

function faded(colours: Uint8Array, at: number, ground: [number, number, number], share: number): number {
  if (share === 1) return packed(colours[at], colours[at + 1], colours[at + 2]);
  const rest = 1 - share;
  return packed(
    colours[at] * share + ground[0] * rest,
    colours[at + 1] * share + ground[1] * rest,
    colours[at + 2] * share + ground[2] * rest,
  );
}

function packed(red: number, green: number, blue: number): number {
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

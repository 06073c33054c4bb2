/** Pictures on a canvas. */

import type { Row } from "../engine/types";
import type { Picture } from "./rows";

/**
 * Return the pixels of a picture as RGBA. One channel is grey, three are red, green and blue, the fourth is alpha. With
 * any other number of channels, each is a grey picture, side by side. Missing pixels are transparent.
 */
export function pixelsOf(values: Row, picture: Picture): { pixels: Uint8ClampedArray<ArrayBuffer>; width: number } {
  const { height, width, channels, low, high } = picture;
  const scale = 255 / (high - low || 1);
  const apart = channels === 2 || channels > 4;
  const across = apart ? width * channels : width;
  const pixels = new Uint8ClampedArray(across * height * 4);
  if (apart) {
    for (let i = 0; i < values.length; i++) {
      const pixel = Math.floor(i / channels);
      const x = (pixel % width) + (i % channels) * width;
      put(pixels, (Math.floor(pixel / width) * across + x) * 4, (values[i] - low) * scale);
    }
    return { pixels, width: across };
  }
  for (let pixel = 0, i = 0; pixel < width * height; pixel++, i += channels) {
    const at = pixel * 4;
    if (channels === 1) {
      put(pixels, at, (values[i] - low) * scale);
      continue;
    }
    for (let channel = 0; channel < 3; channel++) pixels[at + channel] = (values[i + channel] - low) * scale;
    pixels[at + 3] = Number.isNaN(values[i]) ? 0 : channels === 4 ? (values[i + 3] - low) * scale : 255;
  }
  return { pixels, width: across };
}

function put(pixels: Uint8ClampedArray, at: number, grey: number): void {
  if (Number.isNaN(grey)) return;
  pixels[at] = pixels[at + 1] = pixels[at + 2] = grey;
  pixels[at + 3] = 255;
}

/** Draw a picture on a canvas at its own size; without values the canvas is empty. */
export function paint(canvas: HTMLCanvasElement, values: Row | null, picture: Picture): void {
  const context = canvas.getContext("2d");
  if (!context) return;
  if (!values) {
    context.clearRect(0, 0, canvas.width, canvas.height);
    return;
  }
  const { pixels, width } = pixelsOf(values, picture);
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== picture.height) canvas.height = picture.height;
  context.putImageData(new ImageData(pixels, width, picture.height), 0, 0);
}

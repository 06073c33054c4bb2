/** Draws on the numbers of a picture. */

import type { Row } from "../engine/types";
import type { Picture } from "../shared/rows";

export type Ink = "white" | "black" | "colour" | "erase";

/** The value of channel `channel` at number `at` of the row. */
export type InkAt = (at: number, channel: number) => number;

/** Return what a brush writes. Args: colour: "#rrggbb", of ink "colour"; before: what the eraser restores. */
export function inkOf(ink: Ink, colour: string, picture: Picture, before: Row): InkAt {
  const { low, high } = picture;
  if (ink === "erase") return (at) => before[at];
  if (ink === "colour") {
    const parts = [1, 3, 5].map((start) => parseInt(colour.slice(start, start + 2), 16) / 255);
    return (_, channel) => low + (high - low) * (parts[channel] ?? 1);
  }
  // The fourth channel is alpha: what is drawn is opaque.
  return (_, channel) => (ink === "white" || channel === 3 ? high : low);
}

/**
 * Draw a line with a round brush on a row, (height, width, channels). Pixels at the edge of the brush are mixed.
 *
 * Args: from, to: in pixels, from the upper left corner; radius: in pixels.
 */
export function brush(
  row: Row,
  picture: Picture,
  from: [number, number],
  to: [number, number],
  radius: number,
  ink: InkAt,
): void {
  const { width, height, channels } = picture;
  const reach = radius + 0.5;
  const first = (a: number, b: number) => Math.max(0, Math.floor(Math.min(a, b) - reach));
  const last = (a: number, b: number, most: number) => Math.min(most - 1, Math.ceil(Math.max(a, b) + reach));
  for (let y = first(from[1], to[1]); y <= last(from[1], to[1], height); y++) {
    for (let x = first(from[0], to[0]); x <= last(from[0], to[0], width); x++) {
      const share = Math.min(1, reach - distance(x + 0.5, y + 0.5, from, to));
      if (share <= 0) continue;
      for (let channel = 0; channel < channels; channel++) {
        const at = (y * width + x) * channels + channel;
        const old = Number.isNaN(row[at]) ? picture.low : row[at];
        row[at] = old + share * (ink(at, channel) - old);
      }
    }
  }
}

/** Return the distance of a point from a line between two points. */
function distance(x: number, y: number, from: [number, number], to: [number, number]): number {
  const [dx, dy] = [to[0] - from[0], to[1] - from[1]];
  const length = dx * dx + dy * dy;
  const share = length ? Math.min(1, Math.max(0, ((x - from[0]) * dx + (y - from[1]) * dy) / length)) : 0;
  return Math.hypot(x - from[0] - share * dx, y - from[1] - share * dy);
}

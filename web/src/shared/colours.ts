/**
 * Colours of data. Every scale is given as [red, green, blue] from 0 to 255, and as CSS by `css`.
 *
 * The ten categorical colours come from the palette of Okabe and Ito. They were changed, and others added, until any
 * two differ by at least 24 in CIE Lab for normal vision, deuteranopia and protanopia, with a contrast of at least 2 to
 * both the light and the dark background. Yellow and black of the original cannot be seen on one of the two.
 */

export type Rgb = readonly [number, number, number];

export const CATEGORICAL: readonly Rgb[] = [
  [29, 101, 170], // blue
  [232, 171, 2], // orange
  [0, 137, 100], // green
  [203, 91, 0], // vermilion
  [202, 138, 181], // pink
  [62, 182, 251], // sky blue
  [91, 95, 234], // violet
  [155, 59, 30], // brown
  [141, 185, 91], // leaf green
  [102, 200, 147], // mint
];

/** The colour of missing values. */
export const MISSING: Rgb = [140, 145, 152];

/** From low to high. Lightness grows evenly from 30 to 86: both ends can be seen on light and dark backgrounds. */
const SEQUENTIAL: readonly Rgb[] = [
  [80, 56, 148],
  [66, 83, 160],
  [48, 110, 160],
  [33, 138, 158],
  [42, 164, 145],
  [98, 187, 119],
  [165, 205, 86],
  [236, 217, 66],
];

/** From -1 over 0 to 1: blue, neutral, orange. Orange and blue differ for every kind of colour blindness. */
const NEGATIVE: readonly Rgb[] = [
  [20, 78, 138],
  [92, 148, 201],
];
const POSITIVE: readonly Rgb[] = [
  [226, 142, 62],
  [163, 70, 0],
];
const NEUTRAL: Rgb = [242, 242, 238];
const NEUTRAL_DARK: Rgb = [38, 43, 50];

/** Return a colour as CSS. */
export function css(colour: Rgb, alpha = 1): string {
  const [red, green, blue] = colour;
  return alpha === 1 ? `rgb(${red} ${green} ${blue})` : `rgb(${red} ${green} ${blue} / ${alpha})`;
}

/** Return the colour of category `at`, from 0. After ten colours they repeat, first lighter, then darker. */
export function categorical(at: number): Rgb {
  const colour = CATEGORICAL[at % CATEGORICAL.length];
  const turn = Math.floor(at / CATEGORICAL.length) % 3;
  if (turn === 0) return colour;
  return mix(colour, turn === 1 ? [255, 255, 255] : [20, 22, 26], 0.42);
}

/** Return the colour of a value in [0, 1], dark violet to yellow. NaN is grey. */
export function sequential(value: number): Rgb {
  return Number.isNaN(value) ? MISSING : along(SEQUENTIAL, value);
}

/** Return the colour of a value in [-1, 1], from blue over neutral to orange. NaN is grey. */
export function diverging(value: number, dark = false): Rgb {
  if (Number.isNaN(value)) return MISSING;
  const neutral = dark ? NEUTRAL_DARK : NEUTRAL;
  const [far, near] = NEGATIVE;
  const stops = value < 0 ? [neutral, near, far] : [neutral, ...POSITIVE];
  return along(stops, Math.abs(value));
}

/** Return a CSS gradient of the sequential scale, for legends. */
export function sequentialGradient(direction = "to right"): string {
  return `linear-gradient(${direction}, ${SEQUENTIAL.map((colour) => css(colour)).join(", ")})`;
}

/** Return a CSS gradient of the diverging scale, for legends. */
export function divergingGradient(dark = false, direction = "to right"): string {
  const stops = [-1, -0.5, 0, 0.5, 1].map((value) => css(diverging(value, dark)));
  return `linear-gradient(${direction}, ${stops.join(", ")})`;
}

/** Return the sequential scale as a table of `steps` colours, three bytes each, for loops over many points. */
export function sequentialTable(steps = 256): Uint8Array {
  const table = new Uint8Array(steps * 3);
  for (let i = 0; i < steps; i++) table.set(sequential(i / (steps - 1)), i * 3);
  return table;
}

/** Return whether black or white text is easier to read on a colour. */
export function textOn(colour: Rgb): "black" | "white" {
  const [red, green, blue] = colour.map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  // At a luminance of 0.179 the contrast to black and to white is the same.
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 ? "black" : "white";
}

function along(stops: readonly Rgb[], value: number): Rgb {
  const place = Math.min(Math.max(value, 0), 1) * (stops.length - 1);
  const at = Math.min(Math.floor(place), stops.length - 2);
  return mix(stops[at], stops[at + 1], place - at);
}

function mix(from: Rgb, to: Rgb, share: number): Rgb {
  const part = (at: 0 | 1 | 2) => Math.round(from[at] + (to[at] - from[at]) * share);
  return [part(0), part(1), part(2)];
}

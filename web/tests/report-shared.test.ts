import { describe, expect, it } from "vitest";
import type { Header, LayerFacts, ModelFacts } from "../src/format";
import { CATEGORICAL, categorical, diverging, sequential, textOn, type Rgb } from "../src/shared/colours";
import { binsOf } from "../src/shared/histogram";
import { channelOf, linePath, rangeOf } from "../src/shared/lines";
import { viewOf } from "../src/shared/page";
import { pixelsOf } from "../src/shared/picture";
import { cellDistances, descending } from "../src/shared/rows";
import { logTicks, scaleOf, ticks } from "../src/shared/scales";
import { axesInWords, blocksOf } from "../src/shared/structure";

/** CIE Lab of a colour, as seen with a matrix of Machado et al. 2009 for complete dichromats. */
function lab(colour: Rgb, matrix: number[][]): number[] {
  const linear = colour.map((part) =>
    part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4,
  );
  const times = (rows: number[][], values: number[]) =>
    rows.map((row) => row.reduce((sum, at, i) => sum + at * values[i], 0));
  const seen = times(matrix, linear).map((value) => Math.min(Math.max(value, 0), 1));
  const white = [0.9505, 1, 1.089];
  const xyz = times(
    [
      [0.4124, 0.3576, 0.1805],
      [0.2126, 0.7152, 0.0722],
      [0.0193, 0.1192, 0.9505],
    ],
    seen,
  ).map((value, at) => {
    const share = value / white[at];
    return share > 0.008856 ? Math.cbrt(share) : 7.787 * share + 16 / 116;
  });
  return [116 * xyz[1] - 16, 500 * (xyz[0] - xyz[1]), 200 * (xyz[1] - xyz[2])];
}
const NORMAL = [
  [1, 0, 0],
  [0, 1, 0],
  [0, 0, 1],
];
const DEUTERANOPIA = [
  [0.367322, 0.860646, -0.227968],
  [0.280085, 0.672501, 0.047413],
  [-0.01182, 0.04294, 0.968881],
];
const PROTANOPIA = [
  [0.152286, 1.052583, -0.204868],
  [0.114503, 0.786281, 0.099216],
  [-0.003882, -0.048116, 1.051998],
];

describe("colours", () => {
  it.each([
    ["normal vision", NORMAL],
    ["deuteranopia", DEUTERANOPIA],
    ["protanopia", PROTANOPIA],
  ])("of categories can be told apart with %s", (_, matrix) => {
    const seen = CATEGORICAL.map((colour) => lab(colour, matrix));
    for (let a = 0; a < seen.length; a++) {
      for (let b = 0; b < a; b++)
        expect(Math.hypot(...seen[a].map((value, at) => value - seen[b][at]))).toBeGreaterThan(23);
    }
  });
  it("of the sequential scale grow lighter all the way", () => {
    const lightness = Array.from({ length: 50 }, (_, at) => lab(sequential(at / 49), NORMAL)[0]);
    for (let at = 1; at < 50; at++) expect(lightness[at]).toBeGreaterThan(lightness[at - 1]);
  });
  it("of the diverging scale are blue below zero and orange above", () => {
    const [low, high] = [diverging(-1), diverging(1)];
    expect(low[2]).toBeGreaterThan(low[0]);
    expect(high[0]).toBeGreaterThan(high[2]);
    expect(diverging(-5)).toEqual(low);
    expect(diverging(0, true)[0]).toBeLessThan(60);
  });
  it("come again in another lightness after ten, and tell which text can be read on them", () => {
    expect(categorical(10)).not.toEqual(categorical(0));
    expect(new Set(Array.from({ length: 30 }, (_, at) => categorical(at).join())).size).toBe(30);
    expect([textOn([255, 255, 255]), textOn([0, 0, 60])]).toEqual(["black", "white"]);
  });
});

describe("scales", () => {
  it("have round ticks", () => {
    expect(ticks(0, 1)).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1]);
    expect(ticks(-3, 17, 4)).toEqual([0, 5, 10, 15]);
    expect(logTicks(1, 1000)).toEqual([1, 10, 100, 1000]);
    expect(logTicks(1, 20)).toEqual([1, 2, 5, 10, 20]);
  });
  it("are logarithmic above two decades of positive numbers only", () => {
    expect(scaleOf([1, 101]).log).toBe(true);
    expect(scaleOf([1, 99]).log).toBe(false);
    expect(scaleOf([0, 1000]).log).toBe(false);
    expect(scaleOf([1, 10000]).share(100)).toBeCloseTo(0.5);
    expect(scaleOf([NaN, Infinity, 2, 4]).share(3)).toBeCloseTo(0.5);
    expect(scaleOf([5, 5]).share(5)).toBeCloseTo(0.5);
  });
});

describe("lines", () => {
  it("leave gaps where values are missing", () => {
    expect(linePath([0, 1, NaN, 1, 0], [0, 1], 4, 10)).toBe("M0.0 10.0L1.0 0.0M3.0 0.0L4.0 10.0");
  });
  it("keep every peak of many values", () => {
    const values = new Float64Array(100000);
    values[77777] = 5;
    const path = linePath(values, [0, 5], 100, 50);
    expect(path).toContain(" 0.0");
    expect(path.length).toBeLessThan(4000);
  });
  it("of series are taken apart by channel", () => {
    expect([...channelOf([1, 2, 3, 4, 5, 6], 1, 2)]).toEqual([2, 4, 6]);
    expect(rangeOf([1, NaN, -3], [7])).toEqual([-3, 7]);
    expect(rangeOf([NaN])).toEqual([0, 1]);
  });
});

describe("pictures", () => {
  it("of one channel are grey between black and white", () => {
    const { pixels } = pixelsOf(Float32Array.of(0, 127.5, 255, NaN), {
      height: 2,
      width: 2,
      channels: 1,
      low: 0,
      high: 255,
    });
    expect([...pixels.slice(0, 4), ...pixels.slice(8, 16)]).toEqual([0, 0, 0, 255, 255, 255, 255, 255, 0, 0, 0, 0]);
  });
  it("of three channels have colours, of two they are side by side", () => {
    const colour = pixelsOf(Float32Array.of(1, 0, 0.5), { height: 1, width: 1, channels: 3, low: 0, high: 1 });
    expect([...colour.pixels]).toEqual([255, 0, 128, 255]);
    const pair = pixelsOf(Float32Array.of(0, 1, 0.2, 0.4), { height: 1, width: 2, channels: 2, low: 0, high: 1 });
    expect(pair.width).toBe(4);
    expect([0, 4, 8, 12].map((at) => pair.pixels[at])).toEqual([0, 51, 255, 102]);
  });
});

it("a histogram counts every value once, and missing values apart", () => {
  const bins = binsOf([0, 0.1, 0.5, 1, NaN, 1], 2);
  expect(bins).toEqual({ low: 0, high: 1, counts: [2, 3], missing: 1 });
  expect(binsOf([3, 3], 4).counts).toEqual([2, 0, 0, 0]);
});

it("distances of cells are in units of how much each varies", () => {
  const feature = { start: 0, width: 1 };
  const header = {
    adapter: {
      kind: "table",
      gaps: true,
      width: 4,
      features: [
        { kind: "number", center: 10, scale: 5, ...feature },
        { kind: "category", ...feature },
        { kind: "number", scale: 1, ...feature },
        { kind: "number", knots: [0, 40], marks: [-2, 2], ...feature },
      ],
    },
  } as unknown as Header;
  expect([...cellDistances(header, [10, 0, NaN, 0], [20, 2, 1, 10])]).toEqual([2, 1, 1, 1]);
  expect([...cellDistances(header, [10, 1, NaN, 0], [10, 1, NaN, 0])]).toEqual([0, 0, 0, 0]);
  expect(descending([1, NaN, 3, 3])).toEqual([2, 3, 0, 1]);
});

describe("structure", () => {
  const layer = (part: LayerFacts["part"], kind: string, shape: number[], weights = 1, words = ""): LayerFacts => ({
    part,
    kind,
    words,
    shape,
    weights,
  });
  const model = {
    form: "image",
    rowShape: [28, 28, 1],
    layers: [
      layer("encoder", "conv", [14, 14, 32], 320, "32, elu"),
      layer("encoder", "flatten", [6272], 0),
      layer("bottleneck", "dense", [4], 25092, "4"),
      layer("decoder", "dense", [784], 3920, "784"),
      layer("decoder", "reshape", [28, 28, 1], 0),
    ],
  } as unknown as ModelFacts;

  it("has a block for each layer that computes, as high as the logarithm of its size", () => {
    const blocks = blocksOf(model);
    expect(blocks.map((block) => block.mark)).toEqual(["28×28×1", "14×14×32", "4", "28×28×1"]);
    expect(blocks[1].height).toBe(1);
    expect(blocks[2].height).toBeCloseTo(Math.log(5) / Math.log(6273));
    expect(blocks[1].words).toBe("conv 32, elu");
  });
  it("says axes in words", () => {
    expect(axesInWords([14, 14, 32], "image")).toBe("height 14, width 14, 32 channels");
    expect(axesInWords([64, 1], "series")).toBe("64 time steps, 1 channel");
    expect(axesInWords([9], "cells")).toBe("9 columns");
  });
});

it("the first view is that of the address, else as it was saved, else as the header says", () => {
  expect(viewOf("#explore", { view: "report" }, { view: "report" })).toBe("explore");
  expect(viewOf("#report-rows", null, { view: "explore" })).toBe("report");
  expect(viewOf("", { view: "explore" }, { view: "report" })).toBe("explore");
  expect(viewOf("", { view: 7 }, { view: "explore" })).toBe("explore");
  expect(viewOf("", null, null)).toBe("report");
});

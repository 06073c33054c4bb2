import { describe, expect, it } from "vitest";
import { erf, softplus } from "../src/engine/functions";
import { compile, OPS, runs } from "../src/engine/program";
import type { Constant, Node, Program } from "../src/format";

type Attributes = Node["attributes"];
type Constants = Record<string, { shape: number[]; values: number[] }>;

/** Return a program of one or several nodes, ready to run. */
function ready(nodes: [string, string[], string, Attributes?][], widths: number[], constants: Constants = {}) {
  const weights: number[] = [];
  const places: Record<string, Constant> = {};
  for (const [name, { shape, values }] of Object.entries(constants)) {
    places[name] = { shape, start: weights.length };
    weights.push(...values);
  }
  const program: Program = {
    inputs: widths.map((_, at) => `x${at}`),
    output: nodes[nodes.length - 1][2],
    nodes: nodes.map(([op, inputs, output, attributes = {}]) => ({ op, inputs, output, attributes })),
    constants: places,
    weights: "weights",
  };
  return compile(program, Float32Array.from(weights), widths);
}

function once(op: string, x: number[], constants: Constants = {}, attributes: Attributes = {}, names?: string[]) {
  const inputs = names ?? ["x0", ...Object.keys(constants)];
  return Array.from(ready([[op, inputs, "y", attributes]], [x.length], constants).run([Float32Array.from(x)]));
}

function close(found: ArrayLike<number>, expected: number[], digits = 6): void {
  expect(found.length).toBe(expected.length);
  expected.forEach((value, at) => expect(found[at]).toBeCloseTo(value, digits));
}

/** Deterministic numbers in [-1, 1]. */
function made(count: number, seed = 1): number[] {
  let state = seed;
  return Array.from({ length: count }, () => {
    state = (state * 16807) % 2147483647;
    return Math.fround(state / 1073741823.5 - 1);
  });
}

describe("the list of operators", () => {
  it("is the list that Python has in page/networks.py", () => {
    const python =
      "Add Clip Concat Div Elu Exp Flatten Gelu Gemm HardSigmoid Identity LayerNormalization LeakyRelu MatMul Mish Mul " +
      "Relu Reshape Selu Sigmoid Softmax Softplus Softsign Sub Tanh";
    expect(OPS).toEqual(python.split(" "));
    expect(runs("Gemm")).toBe(true);
    expect(runs("Conv")).toBe(false);
    expect(runs("toString")).toBe(false);
  });
});

describe("products", () => {
  it.each([
    [0, 0],
    [1, 0],
    [0, 3],
  ])("are those of three plain loops, transB %i, with zeros every %i", (transB, every) => {
    const [k, n] = [37, 29];
    const x = made(k).map((value, at) => (every && at % every ? 0 : value));
    const kernel = made(k * n, 2);
    const bias = made(n, 3);
    const expected = bias.map((value, j) => {
      let sum = 0.5 * value;
      for (let i = 0; i < k; i++) sum += 2 * x[i] * (transB ? kernel[j * k + i] : kernel[i * n + j]);
      return sum;
    });
    const constants = { w: { shape: transB ? [n, k] : [k, n], values: kernel }, b: { shape: [n], values: bias } };
    close(once("Gemm", x, constants, { alpha: 2, beta: 0.5, transB }), expected, 5);
  });

  it("treat each time of a series by itself, as ONNX does along the last axis", () => {
    const w = { shape: [2, 3], values: [1, 2, 3, 10, 20, 30] };
    close(once("MatMul", [1, 0, 0, 1, 1, 1], { w }), [1, 2, 3, 10, 20, 30, 11, 22, 33]);
  });

  it("refuse a matrix that does not fit, and one that is no constant", () => {
    expect(() => once("MatMul", [1, 2, 3], { w: { shape: [2, 2], values: [1, 2, 3, 4] } })).toThrow("do not fit");
    expect(() => ready([["MatMul", ["x0", "x1"], "y"]], [2, 2])).toThrow("needs a constant");
    const w = { shape: [2, 2], values: [1, 2, 3, 4] };
    expect(() => once("Gemm", [1, 2], { w }, { transA: 1 })).toThrow("do not fit");
  });
});

describe("operators of each number", () => {
  const x = [-8, -2.5, -1, -0.25, 0, 0.25, 1, 2.5, 8];
  const log1p = (value: number) => Math.log(1 + Math.exp(value));
  it.each<[string, Attributes, (value: number) => number]>([
    ["Relu", {}, (v) => Math.max(v, 0)],
    ["LeakyRelu", { alpha: 0.2 }, (v) => (v > 0 ? v : 0.2 * v)],
    ["LeakyRelu", {}, (v) => (v > 0 ? v : 0.01 * v)],
    ["Elu", { alpha: 1.5 }, (v) => (v > 0 ? v : 1.5 * (Math.exp(v) - 1))],
    ["Selu", {}, (v) => 1.0507009873554805 * (v > 0 ? v : 1.6732632423543772 * (Math.exp(v) - 1))],
    ["Sigmoid", {}, (v) => Math.exp(v) / (1 + Math.exp(v))],
    ["Tanh", {}, (v) => (Math.exp(2 * v) - 1) / (Math.exp(2 * v) + 1)],
    ["Exp", {}, (v) => Math.E ** v],
    ["Softplus", {}, log1p],
    ["Softsign", {}, (v) => v / (1 + Math.abs(v))],
    ["Mish", {}, (v) => (v * ((1 + Math.exp(v)) ** 2 - 1)) / ((1 + Math.exp(v)) ** 2 + 1)],
    ["HardSigmoid", { alpha: 1 / 6, beta: 0.5 }, (v) => (v < -3 ? 0 : v > 3 ? 1 : v / 6 + 0.5)],
    ["HardSigmoid", {}, (v) => (v < -2.5 ? 0 : v > 2.5 ? 1 : 0.2 * v + 0.5)],
    ["Identity", {}, (v) => v],
    ["Flatten", {}, (v) => v],
  ])("%s %o", (op, attributes, formula) => {
    const found = once(op, x, {}, attributes);
    x.forEach((value, at) =>
      expect(Math.abs(found[at] - formula(value))).toBeLessThan(2e-6 * (1 + Math.abs(formula(value)))),
    );
  });

  it("Gelu is x times the normal distribution function, integrated by steps", () => {
    const found = once("Gelu", x);
    x.forEach((value, at) => {
      let area = 0.5;
      const step = value / 20000;
      for (let i = 0; i < 20000; i++)
        area += (step * Math.exp(-0.5 * (step * (i + 0.5)) ** 2)) / Math.sqrt(2 * Math.PI);
      expect(found[at]).toBeCloseTo(value * area, 6);
    });
  });

  it("Clip takes its ends from constants, one of which may be absent", () => {
    const ends = { low: { shape: [], values: [-1] }, high: { shape: [], values: [2] } };
    expect(once("Clip", [-3, 0, 5], ends)).toEqual([-1, 0, 2]);
    expect(once("Clip", [-3, 0, 5], { high: ends.high }, {}, ["x0", "", "high"])).toEqual([-3, 0, 2]);
  });

  it("do not overflow", () => {
    expect(once("Softplus", [1000, -1000])).toEqual([1000, 0]);
    expect(once("Sigmoid", [1000, -1000])).toEqual([1, 0]);
    expect(once("Mish", [1000, -1000])).toEqual([1000, -0]);
    expect(once("Elu", [1000, -1000])).toEqual([1000, -1]);
  });
});

describe("functions", () => {
  it("erf agrees with tables to 1e-9", () => {
    // Abramowitz & Stegun 1964, table 7.1.
    const known = [
      [0, 0],
      [0.02, 0.0225645747],
      [0.5, 0.5204998778],
      [1, 0.8427007929],
      [1.53, 0.9695162091],
      [2, 0.995322265],
      [5.9, 1],
      [40, 1],
    ];
    for (const [x, value] of known) {
      expect(Math.abs(erf(x) - value)).toBeLessThan(1e-9);
      expect(erf(-x) + erf(x)).toBe(0);
    }
    expect(erf(NaN)).toBeNaN();
  });

  it("softplus keeps small values", () => expect(softplus(-40)).toBeCloseTo(Math.exp(-40), 25));
});

describe("operators of two tensors", () => {
  it("broadcast constants along the last axis, and single numbers", () => {
    const c = { shape: [2], values: [10, 100] };
    const one = { shape: [], values: [2] };
    expect(once("Add", [1, 2, 3, 4], { c })).toEqual([11, 102, 13, 104]);
    expect(once("Sub", [1, 2], { one }, {}, ["one", "x0"])).toEqual([1, 0]);
    expect(once("Div", [1, 2], { one }, {}, ["one", "x0"])).toEqual([2, 1]);
    expect(once("Mul", [1, 2], { c: { shape: [1, 2], values: [10, 100] } })).toEqual([10, 200]);
  });

  it("refuse a constant whose axes would be needed", () => {
    const c = { shape: [2, 1], values: [10, 100] };
    expect(() => once("Add", [1, 2, 3, 4], { c })).toThrow("do not fit together");
    expect(() => ready([["Add", ["x0", "x1"], "y"]], [4, 2])).toThrow("do not fit together");
  });

  it("combine tensors of the network, as silu does, in every row of a batch", () => {
    const silu = ready(
      [
        ["Sigmoid", ["x0"], "s"],
        ["Mul", ["x0", "s"], "y"],
      ],
      [3],
    );
    const x = [1, -2, 0.5, 3, 0, -1];
    close(
      silu.run([Float32Array.from(x)], 2),
      x.map((v) => v / (1 + Math.exp(-v))),
    );
  });
});

describe("operators of rows", () => {
  it("Softmax along each row, without overflow", () => {
    const softmax = ready([["Softmax", ["x0"], "y", { axis: -1 }]], [2]);
    close(softmax.run([Float32Array.of(0, Math.log(3), 1000, 1000)], 2), [0.25, 0.75, 0.5, 0.5]);
  });

  it("LayerNormalization by the mean and the variance of each row", () => {
    const constants = { gamma: { shape: [4], values: [1, 1, 2, 1] }, beta: { shape: [4], values: [0, 0, 0, 5] } };
    const deviation = Math.sqrt(1.25 + 1e-3);
    const found = once("LayerNormalization", [1, 2, 3, 4], constants, { axis: -1, epsilon: 1e-3 });
    close(found, [-1.5 / deviation, -0.5 / deviation, (2 * 0.5) / deviation, 1.5 / deviation + 5]);
  });

  it("Concat joins rows, not batches", () => {
    const both = ready([["Concat", ["x0", "x1", "c"], "y", { axis: -1 }]], [2, 1], { c: { shape: [1], values: [9] } });
    const found = both.run([Float32Array.of(1, 2, 3, 4), Float32Array.of(5, 6)], 2);
    expect(Array.from(found)).toEqual([1, 2, 5, 9, 3, 4, 6, 9]);
  });
});

describe("a program", () => {
  const network = () =>
    ready(
      [
        ["Gemm", ["x0", "w", "b"], "h"],
        ["Reshape", ["h", "shape"], "r"],
        ["Tanh", ["r"], "t"],
        ["Gemm", ["t", "v"], "y"],
      ],
      [3],
      {
        w: { shape: [3, 5], values: made(15) },
        b: { shape: [5], values: made(5, 4) },
        shape: { shape: [2], values: [-1, 5] },
        v: { shape: [5, 2], values: made(10, 5) },
      },
    );

  it("gives a batch what it gives each row", () => {
    const program = network();
    const rows = made(12, 6);
    const alone = [0, 1, 2, 3].flatMap((row) =>
      Array.from(program.run([Float32Array.from(rows.slice(3 * row, 3 * row + 3))])),
    );
    expect(program.width).toBe(2);
    expect(Array.from(program.run([Float32Array.from(rows)], 4))).toEqual(alone);
    expect(Array.from(program.run([Float32Array.from(rows.slice(0, 3))]))).toEqual(alone.slice(0, 2));
  });

  it("keeps its memory", () => {
    const program = network();
    const [a, b] = [program.run([Float32Array.of(1, 2, 3)]), program.run([Float32Array.of(3, 2, 1)])];
    expect(a.buffer).toBe(b.buffer);
  });

  it("computes what is constant once", () => {
    const constants = { a: { shape: [2], values: [1, 2] }, b: { shape: [2], values: [10, 20] } };
    const program = ready(
      [
        ["Add", ["a", "b"], "c"],
        ["Mul", ["x0", "c"], "y"],
      ],
      [2],
      constants,
    );
    expect(Array.from(program.run([Float32Array.of(1, 1, 2, 2)], 2))).toEqual([11, 22, 22, 44]);
  });

  it("says what is wrong", () => {
    expect(() => ready([["Conv", ["x0"], "y"]], [2])).toThrow("cannot compute the operator Conv");
    expect(() => ready([["Relu", ["other"], "y"]], [2])).toThrow("other is used before");
    expect(() => network().run([Float32Array.of(1, 2)])).toThrow("expected 3 numbers, got 2");
  });
});

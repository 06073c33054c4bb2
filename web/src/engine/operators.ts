/**
 * The ONNX operators that the page computes itself, on tensors (rows, width) in row-major order.
 *
 * Python's list of them is `OPERATORS` in src/diabolo/page/networks.py; a test compares both. Order: tensors, products,
 * operators of each number, of two tensors, of rows, the list.
 */

import type { Node } from "../format";
import * as functions from "./functions";

/** Numbers of a network: (rows, width), or (width,) if `fixed`, which means constant. */
export interface Tensor {
  data: Float32Array;
  width: number;
  fixed: boolean;
  /** Of a constant. */
  shape: number[];
}

/** What an operator does: it fills the output for a number of rows, whose inputs have been computed. */
export interface Step {
  width: number;
  fill: (output: Tensor, rows: number) => void;
}

type Inputs = (Tensor | undefined)[];
type Operator = (inputs: Inputs, node: Node) => Step;

function attribute(node: Node, name: string, otherwise: number): number {
  const value: unknown = node.attributes[name];
  return typeof value === "number" ? value : otherwise;
}

function needed(inputs: Inputs, at: number, node: Node): Tensor {
  const tensor = inputs[at];
  if (!tensor) throw new Error(`The operator ${node.op} of ${node.output} lacks its input ${at}.`);
  return tensor;
}

function constant(inputs: Inputs, at: number, node: Node): Tensor {
  const tensor = needed(inputs, at, node);
  if (!tensor.fixed) throw new Error(`The operator ${node.op} of ${node.output} needs a constant as input ${at}.`);
  return tensor;
}

// Products.

/** Add the product of a vector and a matrix (k, n) to `output`: eight rows at a time, without those where x is 0. */
function addProduct(
  x: Float32Array,
  start: number,
  matrix: Float32Array,
  k: number,
  n: number,
  output: Float32Array,
  at: number,
  places: Int32Array,
): void {
  let count = 0;
  for (let i = 0; i < k; i++) if (x[start + i] !== 0) places[count++] = i;
  let i = 0;
  // Eight rows at a time: the sum of eight products is loaded, rounded and stored once. Fewer rows, or float32 instead
  // of doubles by Math.fround, took 1.2 to 1.8 times as long in V8.
  for (; i + 8 <= count; i += 8) {
    const [p0, p1, p2, p3] = [places[i], places[i + 1], places[i + 2], places[i + 3]];
    const [p4, p5, p6, p7] = [places[i + 4], places[i + 5], places[i + 6], places[i + 7]];
    const [x0, x1, x2, x3] = [x[start + p0], x[start + p1], x[start + p2], x[start + p3]];
    const [x4, x5, x6, x7] = [x[start + p4], x[start + p5], x[start + p6], x[start + p7]];
    const [w0, w1, w2, w3] = [p0 * n, p1 * n, p2 * n, p3 * n];
    const [w4, w5, w6, w7] = [p4 * n, p5 * n, p6 * n, p7 * n];
    for (let j = 0; j < n; j++) {
      output[at + j] +=
        x0 * matrix[w0 + j] +
        x1 * matrix[w1 + j] +
        x2 * matrix[w2 + j] +
        x3 * matrix[w3 + j] +
        x4 * matrix[w4 + j] +
        x5 * matrix[w5 + j] +
        x6 * matrix[w6 + j] +
        x7 * matrix[w7 + j];
    }
  }
  for (; i < count; i++) {
    const factor = x[start + places[i]];
    const row = places[i] * n;
    for (let j = 0; j < n; j++) output[at + j] += factor * matrix[row + j];
  }
}

function transposed(matrix: Float32Array, rows: number, columns: number): Float32Array {
  const turned = new Float32Array(matrix.length);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) turned[j * rows + i] = matrix[i * columns + j];
  return turned;
}

function product(inputs: Inputs, node: Node): Step {
  const rows = needed(inputs, 0, node);
  const kernel = constant(inputs, 1, node);
  const bias = inputs[2] ? constant(inputs, 2, node) : null;
  const turned = attribute(node, "transB", 0) !== 0;
  const [alpha, beta] = [attribute(node, "alpha", 1), attribute(node, "beta", 1)];
  const [k, n] = turned ? [kernel.shape[1], kernel.shape[0]] : kernel.shape;
  if (attribute(node, "transA", 0) !== 0 || kernel.shape.length !== 2 || rows.width % k !== 0) {
    throw new Error(
      `${node.op} of ${node.output}: rows of ${rows.width} do not fit a matrix (${kernel.shape.join(", ")}).`,
    );
  }
  if (bias && bias.data.length !== n && bias.data.length !== 1) {
    throw new Error(`${node.op} of ${node.output}: expected a constant of ${n} numbers, got ${bias.data.length}.`);
  }
  let matrix = turned ? transposed(kernel.data, n, k) : kernel.data;
  if (alpha !== 1) matrix = matrix.map((weight) => alpha * weight);
  const sum = new Float32Array(n);
  if (bias) for (let j = 0; j < n; j++) sum[j] = beta * bias.data[bias.data.length === 1 ? 0 : j];
  const places = new Int32Array(k);
  const several = rows.width / k; // vectors in a row, if a layer is applied to each time step of a series
  return {
    width: several * n,
    fill: (output, count) => {
      for (let at = 0; at < count * several; at++) {
        output.data.set(sum, at * n);
        addProduct(rows.data, at * k, matrix, k, n, output.data, at * n, places);
      }
    },
  };
}

// Operators of each number.

function each(make: (node: Node, inputs: Inputs) => (x: number) => number): Operator {
  return (inputs, node) => {
    const from = needed(inputs, 0, node);
    const { width } = from;
    const change = make(node, inputs);
    return {
      width,
      fill: (output, rows) => {
        const [x, y] = [from.data, output.data];
        for (let at = 0; at < rows * width; at++) y[at] = change(x[at]);
      },
    };
  };
}

function clip(node: Node, inputs: Inputs): (x: number) => number {
  const low = inputs[1] ? constant(inputs, 1, node).data[0] : attribute(node, "min", -Infinity);
  const high = inputs[2] ? constant(inputs, 2, node).data[0] : attribute(node, "max", Infinity);
  return (x) => (x < low ? low : x > high ? high : x);
}

function elu(node: Node): (x: number) => number {
  const alpha = attribute(node, "alpha", 1);
  return (x) => (x < 0 ? alpha * Math.expm1(x) : x);
}

function selu(node: Node): (x: number) => number {
  const [alpha, gamma] = [attribute(node, "alpha", 1.6732632423543772), attribute(node, "gamma", 1.0507009873554805)];
  return (x) => gamma * (x < 0 ? alpha * Math.expm1(x) : x);
}

function leaky(node: Node): (x: number) => number {
  const alpha = attribute(node, "alpha", 0.01);
  return (x) => (x < 0 ? alpha * x : x);
}

function hardSigmoid(node: Node): (x: number) => number {
  const [alpha, beta] = [attribute(node, "alpha", 0.2), attribute(node, "beta", 0.5)];
  return (x) => Math.min(1, Math.max(0, alpha * x + beta));
}

function gelu(node: Node): (x: number) => number {
  const approximate: unknown = node.attributes.approximate;
  return approximate === "tanh" ? functions.geluByTanh : functions.gelu;
}

const same: Operator = (inputs, node) => {
  const from = needed(inputs, 0, node);
  return { width: from.width, fill: (output, rows) => output.data.set(from.data.subarray(0, rows * from.width)) };
};

// Operators of two tensors.

function fits(tensor: Tensor, width: number): boolean {
  if (tensor.width === 1 || tensor.width === width) return true;
  // A constant of the last axis; with a last axis of 1, the other axes would have to be known.
  return tensor.fixed && width % tensor.width === 0 && tensor.shape[tensor.shape.length - 1] === tensor.width;
}

function both(change: (x: number, y: number) => number): Operator {
  return (inputs, node) => {
    const [first, second] = [needed(inputs, 0, node), needed(inputs, 1, node)];
    const width = Math.max(first.width, second.width);
    if (!fits(first, width) || !fits(second, width)) {
      throw new Error(`${node.op} of ${node.output}: rows of ${first.width} and ${second.width} do not fit together.`);
    }
    const [a, b] = [first.width, second.width];
    return {
      width,
      fill: (output, rows) => {
        const [x, y, z] = [first.data, second.data, output.data];
        for (let row = 0; row < rows; row++) {
          const [fromX, fromY, to] = [first.fixed ? 0 : row * a, second.fixed ? 0 : row * b, row * width];
          for (let at = 0; at < width; at++) {
            z[to + at] = change(x[fromX + (a === width ? at : at % a)], y[fromY + (b === width ? at : at % b)]);
          }
        }
      },
    };
  };
}

// Operators of rows.

function checkLast(node: Node): void {
  const axis = attribute(node, "axis", -1);
  if (axis !== -1 && axis !== 1) throw new Error(`${node.op} of ${node.output} works along the last axis only.`);
}

const concat: Operator = (inputs, node) => {
  checkLast(node);
  const parts = inputs.map((_, at) => needed(inputs, at, node));
  const width = parts.reduce((sum, part) => sum + part.width, 0);
  return {
    width,
    fill: (output, rows) => {
      for (let row = 0, to = 0; row < rows; row++) {
        for (const part of parts) {
          const start = part.fixed ? 0 : row * part.width;
          output.data.set(part.data.subarray(start, start + part.width), to);
          to += part.width;
        }
      }
    },
  };
};

const softmax: Operator = (inputs, node) => {
  checkLast(node);
  const from = needed(inputs, 0, node);
  const { width } = from;
  return {
    width,
    fill: (output, rows) => {
      for (let start = 0; start < rows * width; start += width) {
        const [x, y] = [from.data, output.data];
        let most = -Infinity;
        for (let at = start; at < start + width; at++) most = Math.max(most, x[at]);
        let sum = 0;
        for (let at = start; at < start + width; at++) sum += y[at] = Math.exp(x[at] - most);
        for (let at = start; at < start + width; at++) y[at] /= sum;
      }
    },
  };
};

const layerNormalization: Operator = (inputs, node) => {
  checkLast(node);
  const from = needed(inputs, 0, node);
  const gamma = constant(inputs, 1, node).data;
  const beta = inputs[2] ? constant(inputs, 2, node).data : new Float32Array(gamma.length);
  const epsilon = attribute(node, "epsilon", 1e-5);
  const { width } = from;
  const axis = gamma.length;
  if (width % axis !== 0 || beta.length !== axis) {
    throw new Error(`${node.op} of ${node.output}: rows of ${width} do not fit constants of ${axis}.`);
  }
  return {
    width,
    fill: (output, rows) => {
      const [x, y] = [from.data, output.data];
      for (let start = 0; start < rows * width; start += axis) {
        let [mean, variance] = [0, 0];
        for (let at = 0; at < axis; at++) mean += x[start + at] / axis;
        for (let at = 0; at < axis; at++) variance += (x[start + at] - mean) ** 2 / axis;
        const factor = 1 / Math.sqrt(variance + epsilon);
        for (let at = 0; at < axis; at++) y[start + at] = (x[start + at] - mean) * factor * gamma[at] + beta[at];
      }
    },
  };
};

/** All operators by name. */
export const OPERATORS: Readonly<Record<string, Operator>> = {
  Add: both((x, y) => x + y),
  Clip: each(clip),
  Concat: concat,
  Div: both((x, y) => x / y),
  Elu: each(elu),
  Exp: each(() => Math.exp),
  Flatten: same,
  Gelu: each(gelu),
  Gemm: product,
  HardSigmoid: each(hardSigmoid),
  Identity: same,
  LayerNormalization: layerNormalization,
  LeakyRelu: each(leaky),
  MatMul: product,
  Mish: each(() => (x) => x * Math.tanh(functions.softplus(x))),
  Mul: both((x, y) => x * y),
  Relu: each(() => (x) => (x < 0 ? 0 : x)),
  Reshape: same,
  Selu: each(selu),
  Sigmoid: each(() => functions.sigmoid),
  Softmax: softmax,
  Softplus: each(() => functions.softplus),
  Softsign: each(() => (x) => x / (1 + Math.abs(x))),
  Sub: both((x, y) => x - y),
  Tanh: each(() => Math.tanh),
};

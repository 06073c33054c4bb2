/**
 * Run a `Program`: a network of ONNX operators on rows of numbers, computed by the page itself.
 *
 * Memory for one row is allocated when a program is compiled; a batch allocates more once and keeps it.
 */

import type { Program } from "../format";
import { OPERATORS, type Step, type Tensor } from "./operators";

/** The operators that a program may have, in alphabetical order. */
export const OPS: readonly string[] = Object.keys(OPERATORS).sort();

/** Whether the page computes an ONNX operator itself. */
export function runs(op: string): boolean {
  return Object.hasOwn(OPERATORS, op);
}

/** A program that is ready to run. */
export interface Compiled {
  /** Numbers of one row of the output. */
  readonly width: number;
  /** Return the output (rows, width) of inputs (rows, ...) in the order of the program; the next run overwrites it. */
  run(inputs: Float32Array[], rows?: number): Float32Array;
}

/**
 * Return a program that is ready to run.
 *
 * `weights`: all constants; `widths`: the numbers of one row of each input. Throws an error that names the operator or
 * the tensor that is wrong.
 */
export function compile(program: Program, weights: Float32Array, widths: number[]): Compiled {
  const tensors = new Map<string, Tensor>();
  for (const [name, { shape, start }] of Object.entries(program.constants)) {
    const count = shape.reduce((product, axis) => product * axis, 1);
    if (start + count > weights.length) throw new Error(`The weights of ${name} are missing.`);
    tensors.set(name, { data: weights.subarray(start, start + count), width: count, fixed: true, shape });
  }
  const inputs = program.inputs.map((name, at) => {
    const tensor = { data: new Float32Array(widths[at]), width: widths[at], fixed: false, shape: [] };
    tensors.set(name, tensor);
    return tensor;
  });
  const steps: { output: Tensor; fill: Step["fill"] }[] = [];
  for (const node of program.nodes) {
    const operator = runs(node.op) ? OPERATORS[node.op] : undefined;
    if (!operator) throw new Error(`This page cannot compute the operator ${node.op}.`);
    const given = node.inputs.map((name) => {
      if (name !== "" && !tensors.has(name)) throw new Error(`The tensor ${name} is used before it is computed.`);
      return tensors.get(name);
    });
    const { width, fill } = operator(given, node);
    const fixed = given.every((each) => each === undefined || each.fixed);
    const output = { data: new Float32Array(width), width, fixed, shape: fixed ? [width] : [] };
    tensors.set(node.output, output);
    if (fixed) fill(output, 1);
    else steps.push({ output, fill });
  }
  const result = tensors.get(program.output);
  if (!result) throw new Error(`The output ${program.output} is not computed by any operator.`);
  return new Ready(inputs, steps, result);
}

class Ready implements Compiled {
  private capacity = 1;

  constructor(
    private readonly inputs: Tensor[],
    private readonly steps: { output: Tensor; fill: Step["fill"] }[],
    private readonly result: Tensor,
  ) {}

  get width(): number {
    return this.result.width;
  }

  run(inputs: Float32Array[], rows = 1): Float32Array {
    if (rows > this.capacity) this.grow(rows);
    this.inputs.forEach((tensor, at) => {
      const given = inputs[at]; // a program may have a second input, the condition
      if (given?.length !== rows * tensor.width) {
        throw new Error(`The network expected ${rows * tensor.width} numbers, got ${given?.length ?? 0}.`);
      }
      tensor.data.set(given);
    });
    for (const { output, fill } of this.steps) fill(output, rows);
    return this.result.data.subarray(0, rows * this.result.width);
  }

  private grow(rows: number): void {
    this.capacity = rows;
    for (const tensor of [...this.inputs, ...this.steps.map((step) => step.output)]) {
      tensor.data = new Float32Array(rows * tensor.width);
    }
  }
}

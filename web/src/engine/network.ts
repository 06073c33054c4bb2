/** The encoder or the decoder of a page, however it is computed: from tensors to the numbers of its output. */

import type { Network } from "../format";
import type { Blocks } from "./blocks";
import { open, type Session } from "./onnxruntime";
import { compile, type Compiled } from "./program";

export type Local = Exclude<Network, { way: "server" }>;

/** A network in the page. Inputs are in the order of the network, one row of each. */
export class Runner {
  private compiled: Compiled | null = null;
  private ready: Promise<Compiled | Session> | null = null;
  private closed = false;

  /** `shapes`: the axes of one row of each input. */
  constructor(
    private readonly network: Local,
    private readonly blocks: Blocks,
    private readonly shapes: number[][],
  ) {}

  /** Prepare a network that the page computes itself; onnxruntime-web takes longer, and starts when first needed. */
  prepare(): void {
    if (this.network.way === "own") this.start().catch(() => undefined); // run() reports it
  }

  /** Return the output at once, or null if the network is not ready. The next call overwrites the output. */
  now(inputs: Float32Array[]): Float32Array | null {
    return this.compiled ? this.compiled.run(this.given(inputs)) : null;
  }

  /** Return the output of one row. */
  async run(inputs: Float32Array[]): Promise<Float32Array> {
    const network = await this.start();
    const { compiled } = this;
    return compiled ? compiled.run(this.given(inputs)).slice() : network.run(this.given(inputs));
  }

  /** End the session. */
  close(): void {
    this.closed = true;
    const end = (network: Compiled | Session) => ("close" in network ? network.close() : undefined);
    this.ready?.then(end).catch(() => undefined);
  }

  /** Return the inputs that the network has: one that does not use the condition has one input less. */
  private given(inputs: Float32Array[]): Float32Array[] {
    return inputs.slice(0, this.names.length);
  }

  private get names(): string[] {
    return this.network.way === "own" ? this.network.program.inputs : this.network.inputs;
  }

  private start(): Promise<Compiled | Session> {
    if (this.closed) throw new Error("The page was closed.");
    this.ready ??= this.open().catch((error: unknown) => {
      this.ready = null;
      throw error;
    });
    return this.ready;
  }

  private async open(): Promise<Compiled | Session> {
    const { network, blocks, shapes } = this;
    if (network.way === "onnxruntime") return open(blocks, network.block, network.inputs, network.output, shapes);
    const weights = (await blocks.numbers(network.program.weights)) as Float32Array;
    const widths = shapes.map((shape) => shape.reduce((product, axis) => product * axis, 1));
    this.compiled = compile(network.program, weights, widths);
    return this.compiled;
  }
}

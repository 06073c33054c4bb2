/**
 * Start onnxruntime-web from two blocks of the page, when it is first needed, and run ONNX files with it.
 *
 * It runs as WebAssembly in one thread: a page from a file may not share memory between threads. Nothing is loaded
 * from elsewhere: the script comes from a blob: URL, and the WebAssembly is passed to it.
 */

import type { Blocks } from "./blocks";

interface OrtTensor {
  data: Float32Array;
  dims: readonly number[];
  dispose(): void;
}

interface OrtSession {
  readonly inputMetadata?: readonly { name: string; shape?: readonly (number | string)[] }[];
  run(feeds: Record<string, OrtTensor>, fetches: string[]): Promise<Record<string, OrtTensor>>;
  release(): Promise<void>;
}

interface Ort {
  env: { wasm: { wasmBinary?: ArrayBuffer | Uint8Array; numThreads?: number; proxy?: boolean }; logLevel?: string };
  Tensor: new (type: "float32", data: Float32Array, dims: readonly number[]) => OrtTensor;
  InferenceSession: { create(model: Uint8Array, options: object): Promise<OrtSession> };
}

/** An ONNX file that is ready to run. */
export interface Session {
  /** Return the output (rows, ...), flat, of inputs in the order of their names. */
  run(inputs: Float32Array[], rows?: number): Promise<Float32Array>;
  close(): Promise<void>;
}

const started = new WeakMap<Blocks, Promise<Ort>>();

function start(blocks: Blocks): Promise<Ort> {
  const known = started.get(blocks);
  if (known) return known;
  const starting = load(blocks).catch((error: unknown) => {
    started.delete(blocks);
    throw error;
  });
  started.set(blocks, starting);
  return starting;
}

async function load(blocks: Blocks): Promise<Ort> {
  const [script, binary] = await Promise.all([blocks.bytes("onnxruntime.js"), blocks.bytes("onnxruntime.wasm")]);
  const url = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
  try {
    const ort = (await import(/* @vite-ignore */ url)) as Ort;
    ort.env.wasm.wasmBinary = binary;
    ort.env.wasm.numThreads = 1;
    ort.env.wasm.proxy = false;
    ort.env.logLevel = "error";
    return ort;
  } finally {
    URL.revokeObjectURL(url);
  }
}

/**
 * Return a session for an ONNX file.
 *
 * `block`: of the file; `inputs`, `output`: names; `shapes`: the axes of one row of each input, for a file without
 * them. Throws an error in one sentence if WebAssembly does not start or the file cannot be run.
 */
export async function open(
  blocks: Blocks,
  block: string,
  inputs: string[],
  output: string,
  shapes: number[][],
): Promise<Session> {
  let ort: Ort;
  let session: OrtSession;
  try {
    ort = await start(blocks);
    const options = { executionProviders: ["wasm"], graphOptimizationLevel: "all" };
    session = await ort.InferenceSession.create(await blocks.bytes(block), options);
  } catch (error) {
    throw new Error(`This browser cannot compute the network: onnxruntime-web did not start (${text(error)}).`, {
      cause: error,
    });
  }
  const axes = inputs.map((name, at) => axesOf(session, name) ?? shapes[at]);
  const run = async (given: Float32Array[], rows = 1) => {
    const feeds: Record<string, OrtTensor> = {};
    inputs.forEach((name, at) => (feeds[name] = new ort.Tensor("float32", given[at], [rows, ...axes[at]])));
    const found = (await session.run(feeds, [output]))[output];
    const numbers = new Float32Array(found.data);
    found.dispose();
    return numbers;
  };
  return { run, close: () => session.release() };
}

/** Return the axes of one row of an input; null if the file does not contain all of them. */
function axesOf(session: OrtSession, name: string): number[] | null {
  const shape = session.inputMetadata?.find((each) => each.name === name)?.shape?.slice(1);
  return shape?.every((axis) => typeof axis === "number" && axis > 0) ? (shape as number[]) : null;
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

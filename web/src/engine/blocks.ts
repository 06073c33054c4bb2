/**
 * Blocks of a page: read from its script elements, or from a server, when they are first asked for.
 *
 * The texts of the script elements stay in the document, because a saved page is made of them (see `save.ts`). Numbers
 * and JSON are decoded once and kept; files, such as pictures, are kept only while they are used. So no block is in
 * memory more than twice. Order: the header, the blocks, base64, gzip, numbers.
 */

import { FORMAT, type Block, type Header } from "../format";

export type Numbers = Float32Array | Float64Array;
type Codes = Float32Array | Float64Array | Uint8Array | Uint16Array | Uint32Array | Int32Array;
type Bytes = Uint8Array<ArrayBuffer>;

/** Return the header of the page. Throws an error that says what is wrong with it. */
export function readHeader(root: ParentNode = document): Header {
  const text = root.querySelector("script#diabolo-header")?.textContent;
  if (!text) throw new Error("This page contains no data: it has no header.");
  let header: Header;
  try {
    header = JSON.parse(text) as Header;
  } catch {
    throw new Error("The header of this page cannot be read: the file is damaged.");
  }
  if (header.format !== FORMAT) {
    throw new Error(`This page has data of format ${header.format}, and its script reads format ${FORMAT}.`);
  }
  return header;
}

/** All blocks of one page. */
export class Blocks {
  private readonly decoded = new Map<string, Promise<unknown>>();
  private readonly files = new Map<string, WeakRef<Bytes>>();
  private elements: Map<string, Element> | null = null;

  /** `facts`: of the blocks, from the header; `base`: where a server answers; `root`: holds the script elements. */
  constructor(
    private readonly facts: Record<string, Block>,
    private readonly base: string | null,
    private readonly root: ParentNode | null,
  ) {}

  /** Whether the page has a block of this name. */
  has(name: string): boolean {
    return Object.hasOwn(this.facts, name);
  }

  /** Return what the header says about a block. */
  block(name: string): Block {
    if (!this.has(name)) throw new Error(`The block "${name}" was left out of this page.`);
    return this.facts[name];
  }

  /** Return the numbers of a block in its units, NaN if missing; as doubles if float32 is not precise enough. */
  numbers(name: string): Promise<Numbers> {
    return this.once(`numbers ${name}`, async () => {
      const block = this.block(name);
      return inUnits<Numbers>(await this.codes(name), block, needsDoubles(block) ? Float64Array : Float32Array);
    });
  }

  /** Return the numbers of a block as doubles, which the caller keeps. */
  async doubles(name: string): Promise<Float64Array> {
    return inUnits(await this.codes(name), this.block(name), Float64Array);
  }

  /** Return the numbers of a block as they are stored, which the caller keeps. */
  async codes(name: string): Promise<Codes> {
    return numbersOf(await this.content(name), this.block(name), name);
  }

  /** Return the value of a JSON block. */
  json(name: string): Promise<unknown> {
    return this.once(`json ${name}`, async () => JSON.parse(new TextDecoder().decode(await this.content(name))));
  }

  /** Return the content of a block as a file. */
  async bytes(name: string): Promise<Bytes> {
    const known = this.files.get(name)?.deref();
    if (known) return known;
    const bytes = await this.content(name);
    this.files.set(name, new WeakRef(bytes));
    return bytes;
  }

  private once<T>(key: string, make: () => Promise<T>): Promise<T> {
    const known = this.decoded.get(key) as Promise<T> | undefined;
    if (known) return known;
    const made = make();
    this.decoded.set(key, made);
    made.catch(() => this.decoded.delete(key)); // a server may answer the next time
    return made;
  }

  private async content(name: string): Promise<Bytes> {
    const block = this.block(name);
    const stored = this.base === null ? this.embedded(name) : await this.fetched(name);
    // A server may let the browser decompress a block.
    const whole = block.type !== "json" && block.type !== "bytes" && stored.length === size(block);
    const packed = block.gzip && !whole && stored[0] === 0x1f && stored[1] === 0x8b;
    try {
      return packed ? await gunzip(stored) : stored;
    } catch {
      throw new Error(`The block "${name}" of this page is damaged: it cannot be decompressed.`);
    }
  }

  private embedded(name: string): Bytes {
    if (!this.elements) {
      const found = this.root?.querySelectorAll("script[data-block]") ?? [];
      this.elements = new Map(Array.from(found, (each) => [each.getAttribute("data-block") ?? "", each]));
    }
    const text = this.elements.get(name)?.textContent;
    if (text === undefined || text === null) {
      throw new Error(`The block "${name}" is missing: the file of this page is not complete.`);
    }
    return fromBase64(text);
  }

  private async fetched(name: string): Promise<Bytes> {
    const path = name.split("/").map(encodeURIComponent).join("/");
    const answer = await ask(`${this.base}blocks/${path}`, `the block "${name}"`);
    return new Uint8Array(await answer.arrayBuffer());
  }
}

/** Return the answer of the server, or throw an error that says what was requested. */
export async function ask(url: string, what: string, body?: BodyInit): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(url, body === undefined ? {} : { method: "POST", body });
  } catch {
    throw new Error(`The server did not answer when the page asked for ${what}: is it still running?`);
  }
  if (!answer.ok) throw new Error(`The server refused ${what}: ${await reason(answer)}.`);
  return answer;
}

async function reason(answer: Response): Promise<string> {
  const said = (await answer.json().catch(() => null)) as { error?: unknown } | null;
  return typeof said?.error === "string" ? said.error.replace(/\.$/, "") : `${answer.status} ${answer.statusText}`;
}

/** Return the numbers of an answer of the server: doubles or float32, as their length shows. */
export async function numbersOfAnswer(answer: Response, count: number): Promise<Numbers> {
  const buffer = await answer.arrayBuffer();
  if (buffer.byteLength === 8 * count) return new Float64Array(buffer);
  if (buffer.byteLength === 4 * count) return new Float32Array(buffer);
  throw new Error(`The server answered ${buffer.byteLength} bytes, and the page expected ${count} numbers.`);
}

const VALUES = new Uint8Array(128).fill(255);
Array.from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/").forEach((letter, at) => {
  VALUES[letter.charCodeAt(0)] = at;
});

/** Return the bytes of a text in base64; white space in it is skipped. */
export function fromBase64(text: string): Bytes {
  const native = Uint8Array as unknown as { fromBase64?: (text: string) => Bytes };
  return native.fromBase64 ? native.fromBase64(text) : fromBase64ByHand(text);
}

/** The same for browsers without `Uint8Array.fromBase64`, which came in 2025. */
export function fromBase64ByHand(text: string): Bytes {
  const letters = /\s/.test(text) ? text.replace(/\s+/g, "") : text;
  const end = letters.endsWith("==") ? letters.length - 2 : letters.length - Number(letters.endsWith("="));
  const bytes = new Uint8Array(Math.floor((end * 3) / 4));
  let to = 0;
  const whole = end - (end % 4);
  for (let from = 0; from < whole; from += 4) {
    const bits =
      (VALUES[letters.charCodeAt(from)] << 18) |
      (VALUES[letters.charCodeAt(from + 1)] << 12) |
      (VALUES[letters.charCodeAt(from + 2)] << 6) |
      VALUES[letters.charCodeAt(from + 3)];
    bytes[to] = bits >> 16;
    bytes[to + 1] = bits >> 8;
    bytes[to + 2] = bits;
    to += 3;
  }
  if (end > whole) {
    let bits = 0;
    for (let at = whole; at < whole + 4; at++) bits = (bits << 6) | (at < end ? VALUES[letters.charCodeAt(at)] : 0);
    bytes[to++] = bits >> 16;
    if (to < bytes.length) bytes[to] = bits >> 8;
  }
  return bytes;
}

/** Return the content of gzip data. */
export async function gunzip(packed: Bytes): Promise<Bytes> {
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

const WIDTHS: Record<string, number> = { f2: 2, f4: 4, f8: 8, u1: 1, u2: 2, u4: 4, i4: 4 };

function size(block: Block): number {
  return block.shape.reduce((product, axis) => product * axis, 1) * WIDTHS[block.type];
}

function numbersOf(bytes: Bytes, block: Block, name: string): Codes {
  if (!(block.type in WIDTHS)) throw new Error(`The block "${name}" does not contain numbers.`);
  if (bytes.length !== size(block)) {
    throw new Error(`The block "${name}" has ${bytes.length} bytes, and the header says ${size(block)}.`);
  }
  const { buffer } = bytes; // all browsers that run today are little-endian
  if (block.type === "f2") return fromHalves(new Uint16Array(buffer));
  if (block.type === "f4") return new Float32Array(buffer);
  if (block.type === "f8") return new Float64Array(buffer);
  if (block.type === "u1") return bytes;
  if (block.type === "u2") return new Uint16Array(buffer);
  return block.type === "u4" ? new Uint32Array(buffer) : new Int32Array(buffer);
}

let halves: Float32Array | null = null;

/** Return numbers of IEEE 754 half precision, by a table of all 65,536 codes. */
export function fromHalves(codes: Uint16Array): Float32Array {
  halves ??= Float32Array.from({ length: 1 << 16 }, (_, code) => half(code));
  const numbers = new Float32Array(codes.length);
  for (let at = 0; at < codes.length; at++) numbers[at] = halves[codes[at]];
  return numbers;
}

function half(code: number): number {
  const sign = code & 0x8000 ? -1 : 1;
  const exponent = (code >> 10) & 31;
  const fraction = code & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return exponent ? sign * (1 + fraction / 1024) * 2 ** (exponent - 15) : sign * fraction * 2 ** -24;
}

function needsDoubles(block: Block): boolean {
  if (block.type === "f8" || block.type === "u4" || block.type === "i4") return true;
  const { scale } = block;
  // Dates around 1.7e9 seconds: float32 would round them to 2 minutes.
  return scale !== undefined && scale.low.some((low, at) => Math.abs(low) > 1000 * (scale.high[at] - low) && low !== 0);
}

type Kind<T> = new (length: number) => T;

/** Return numbers of a block in its units, as floats of a kind; the same array if nothing changes. */
export function inUnits<T extends Numbers>(
  codes: Codes,
  block: Block,
  kind: Kind<T>,
  start = 0,
  end = codes.length,
): T {
  const { scale, missing } = block;
  const all = start === 0 && end === codes.length;
  if (!scale && missing === undefined && all && codes instanceof kind) return codes;
  const numbers = new kind(end - start);
  const low = scale?.low ?? [0];
  const step = scale ? scale.high.map((high, at) => (high - scale.low[at]) / scale.most) : [1];
  const width = low.length;
  let axis = start % width;
  for (let at = start; at < end; at++) {
    const code = codes[at];
    numbers[at - start] = code === missing ? NaN : low[axis] + code * step[axis];
    axis = axis + 1 === width ? 0 : axis + 1;
  }
  return numbers;
}

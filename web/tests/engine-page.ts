/** A page in memory for tests of the engine: made with btoa and CompressionStream, not with the code under test. */

import type { Block, Header } from "../src/format";

type Values = ArrayLike<number> | string;
export interface TestBlock extends Partial<Block> {
  type: Block["type"];
  /** Numbers as stored; of JSON and bytes a text. */
  values: Values;
}

function bytesOf(type: Block["type"], values: Values): Uint8Array<ArrayBuffer> {
  if (typeof values === "string") return new TextEncoder().encode(values);
  const width = { f2: 2, f4: 4, f8: 8, u1: 1, u2: 2, u4: 4, i4: 4, json: 1, bytes: 1 }[type];
  const view = new DataView(new ArrayBuffer(values.length * width));
  for (let at = 0; at < values.length; at++) {
    const [place, value] = [at * width, values[at]];
    if (type === "f4") view.setFloat32(place, value, true);
    else if (type === "f8") view.setFloat64(place, value, true);
    else if (type === "u1") view.setUint8(place, value);
    else if (width === 2)
      view.setUint16(place, value, true); // f2: the codes
    else view.setInt32(place, value, true);
  }
  return new Uint8Array(view.buffer);
}

/** Return bytes in base64. */
export function toBase64(bytes: Uint8Array): string {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}

/** Return bytes compressed by gzip. */
export async function zipped(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** What a document answers about scripts; the real one is used in browsers. */
export function fakeRoot(scripts: Record<string, string>, header: string | null = null): ParentNode {
  const elements = Object.entries(scripts).map(([name, textContent]) => ({ getAttribute: () => name, textContent }));
  return {
    querySelectorAll: () => elements,
    querySelector: (selector: string) =>
      header !== null && selector === "script#diabolo-header" ? { textContent: header } : null,
  } as unknown as ParentNode;
}

/** Return the facts of blocks, a document that contains them, and their bytes as a server has them. */
export async function blocksOf(given: Record<string, TestBlock>): Promise<{
  facts: Record<string, Block>;
  root: ParentNode;
  stored: Record<string, Uint8Array<ArrayBuffer>>;
}> {
  const facts: Record<string, Block> = {};
  const stored: Record<string, Uint8Array<ArrayBuffer>> = {};
  const scripts: Record<string, string> = {};
  for (const [name, { values, ...more }] of Object.entries(given)) {
    const bytes = bytesOf(more.type, values);
    const gzip = more.gzip ?? true;
    const shape = more.shape ?? (typeof values === "string" ? [] : [values.length]);
    facts[name] = { ...more, gzip, shape };
    stored[name] = gzip ? await zipped(bytes) : bytes;
    scripts[name] = toBase64(stored[name]);
  }
  return { facts, root: fakeRoot(scripts), stored };
}

/** Return a header with what tests do not care about. */
export function headerOf(more: Partial<Omit<Header, "model">> & { model?: Partial<Header["model"]> }): Header {
  const model = { form: "cells", rowShape: [2], latents: 2, ...more.model };
  const none = { decoder: null, encoder: null, condition: null, rows: null, columns: [], maps: [], base: null };
  const adapter = { kind: "affine", offset: [0], divisor: [1], scale: [1], most: null, gaps: false };
  return { format: 1, blocks: {}, adapter, ...none, ...more, model } as unknown as Header;
}

import { afterEach, describe, expect, it, vi } from "vitest";
import { ask, Blocks, fromBase64ByHand, fromHalves, numbersOfAnswer, readHeader } from "../src/engine/blocks";
import { blocksOf, fakeRoot, toBase64, zipped, type TestBlock } from "./engine-page";

async function page(given: Record<string, TestBlock>): Promise<Blocks> {
  const { facts, root } = await blocksOf(given);
  return new Blocks(facts, null, root);
}

describe("base64", () => {
  it("gives the bytes that btoa was given, for every length and with white space", () => {
    for (let length = 0; length < 70; length++) {
      const bytes = Uint8Array.from({ length }, (_, at) => (at * 151 + length * 7) % 256);
      const text = toBase64(bytes);
      expect(Array.from(fromBase64ByHand(text))).toEqual(Array.from(bytes));
      expect(Array.from(fromBase64ByHand(` ${text.replace(/(.{8})/g, "$1\n")} `))).toEqual(Array.from(bytes));
    }
  });
});

describe("half precision", () => {
  it("gives the numbers of IEEE 754 that are known by hand", () => {
    const known: [number, number][] = [
      [0x0000, 0],
      [0x3c00, 1],
      [0xc000, -2],
      [0x3555, 0.333251953125],
      [0x7bff, 65504],
      [0x0001, 2 ** -24],
      [0x03ff, 1023 * 2 ** -24],
      [0x0400, 2 ** -14],
      [0x7c00, Infinity],
      [0xfc00, -Infinity],
    ];
    expect(Array.from(fromHalves(Uint16Array.from(known, ([code]) => code)))).toEqual(known.map(([, value]) => value));
    expect(fromHalves(Uint16Array.of(0x7e00))[0]).toBeNaN();
    expect(Object.is(fromHalves(Uint16Array.of(0x8000))[0], -0)).toBe(true);
  });
});

describe("blocks of numbers", () => {
  it("are read in every type, compressed or not", async () => {
    for (const gzip of [true, false]) {
      const blocks = await page({
        a: { type: "f4", values: [1.5, -2], gzip },
        b: { type: "f8", values: [0.1, 1.7e9], gzip },
        c: { type: "u4", values: [4294967295, 0], gzip },
        d: { type: "i4", values: [-5, 7], gzip },
        e: { type: "u1", values: [0, 255], gzip },
        f: { type: "f2", values: [0x3c00, 0x3800], gzip },
      });
      expect(Array.from(await blocks.numbers("a"))).toEqual([1.5, -2]);
      expect(Array.from(await blocks.numbers("b"))).toEqual([0.1, 1.7e9]);
      expect(Array.from(await blocks.numbers("c"))).toEqual([4294967295, 0]);
      expect(Array.from(await blocks.numbers("d"))).toEqual([-5, 7]);
      expect(Array.from(await blocks.numbers("e"))).toEqual([0, 255]);
      expect(Array.from(await blocks.numbers("f"))).toEqual([1, 0.5]);
    }
  });

  it("are scaled by their last axis, with NaN where one is missing", async () => {
    const scale = { low: [10, -1], high: [20, 1], most: 254 };
    const blocks = await page({
      a: { type: "u1", values: [0, 254, 254, 127, 255, 0], shape: [3, 2], scale, missing: 255 },
    });
    expect(Array.from(await blocks.numbers("a"))).toEqual([10, 1, 20, 0, NaN, -1]);
  });

  it("share one scale where a block has one axis", async () => {
    const scale = { low: [5], high: [6], most: 65534 };
    const blocks = await page({ a: { type: "u2", values: [0, 32767, 65534], scale } });
    expect(Array.from(await blocks.numbers("a"))).toEqual([5, 5.5, 6]);
  });

  it("stay doubles where float32 would round more than their steps", async () => {
    const scale = { low: [1.7e9], high: [1.7e9 + 65534], most: 65534 };
    const blocks = await page({ dates: { type: "u2", values: [1, 2], scale } });
    expect(Array.from(await blocks.numbers("dates"))).toEqual([1.7e9 + 1, 1.7e9 + 2]);
  });

  it("are decoded once", async () => {
    const blocks = await page({ a: { type: "f4", values: [1] } });
    expect(await blocks.numbers("a")).toBe(await blocks.numbers("a"));
  });

  it("are refused with a sentence where they are absent, short or damaged", async () => {
    const blocks = await page({ short: { type: "f4", values: [1], shape: [2] }, text: { type: "json", values: "[]" } });
    await expect(blocks.numbers("other")).rejects.toThrow('"other" was left out');
    await expect(blocks.numbers("short")).rejects.toThrow("has 4 bytes, and the header says 8");
    await expect(blocks.numbers("text")).rejects.toThrow("does not contain numbers");
    const facts = { a: { type: "f4" as const, shape: [1], gzip: true } };
    const damaged = toBase64(Uint8Array.of(...(await zipped(new Uint8Array(4))).subarray(0, 12), 0, 0, 0));
    await expect(new Blocks(facts, null, fakeRoot({ a: damaged })).numbers("a")).rejects.toThrow("damaged");
    await expect(new Blocks(facts, null, fakeRoot({})).numbers("a")).rejects.toThrow("not complete");
  });
});

describe("other blocks", () => {
  it("are JSON in UTF-8, and bytes", async () => {
    const blocks = await page({
      texts: { type: "json", values: '["Zürich",null]' },
      file: { type: "bytes", values: "abc" },
    });
    expect(await blocks.json("texts")).toEqual(["Zürich", null]);
    expect(Array.from(await blocks.bytes("file"))).toEqual([97, 98, 99]);
  });
});

describe("the header", () => {
  it("is read, or refused with a sentence", () => {
    expect(readHeader(fakeRoot({}, '{"format":1,"title":"a"}')).title).toBe("a");
    expect(() => readHeader(fakeRoot({}))).toThrow("no header");
    expect(() => readHeader(fakeRoot({}, "{"))).toThrow("damaged");
    expect(() => readHeader(fakeRoot({}, '{"format":2}'))).toThrow("format 2");
  });
});

describe("a server", () => {
  afterEach(() => void vi.unstubAllGlobals());

  it("gives blocks by their names, compressed or decompressed by the browser", async () => {
    const raw = new Uint8Array(Float32Array.of(3, 4).buffer);
    const asked: string[] = [];
    const answers = [await zipped(raw), raw];
    vi.stubGlobal("fetch", (url: string) => {
      asked.push(url);
      return Promise.resolve(new Response(answers.shift()));
    });
    const facts = { "column/0": { type: "f4" as const, shape: [2], gzip: true } };
    for (let time = 0; time < 2; time++) {
      expect(Array.from(await new Blocks(facts, "/t/", null).numbers("column/0"))).toEqual([3, 4]);
    }
    expect(asked).toEqual(["/t/blocks/column/0", "/t/blocks/column/0"]);
  });

  it("is asked again after it failed", async () => {
    const answers = [new Response("", { status: 500 }), new Response(Float32Array.of(1))];
    vi.stubGlobal("fetch", () => Promise.resolve(answers.shift()));
    const blocks = new Blocks({ a: { type: "f4", shape: [1], gzip: false } }, "/", null);
    await expect(blocks.numbers("a")).rejects.toThrow("500");
    expect(Array.from(await blocks.numbers("a"))).toEqual([1]);
  });

  it("says why it refuses, and that it does not answer", async () => {
    vi.stubGlobal("fetch", () => Promise.resolve(new Response('{"error":"row 3 is empty."}', { status: 400 })));
    await expect(ask("/x", "the latents")).rejects.toThrow("refused the latents: row 3 is empty.");
    vi.stubGlobal("fetch", () => Promise.reject(new TypeError("failed")));
    await expect(ask("/x", "the latents")).rejects.toThrow("is it still running?");
  });

  it("answers doubles or float32", async () => {
    expect(Array.from(await numbersOfAnswer(new Response(Float64Array.of(0.1)), 1))).toEqual([0.1]);
    expect(Array.from(await numbersOfAnswer(new Response(Float32Array.of(0.5)), 1))).toEqual([0.5]);
    await expect(numbersOfAnswer(new Response(Float32Array.of(0.5)), 3)).rejects.toThrow("expected 3 numbers");
  });
});

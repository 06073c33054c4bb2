import { afterEach, describe, expect, it, vi } from "vitest";
import { createEngine } from "../src/engine";
import type { Adapter, Column, Header, Network } from "../src/format";
import { blocksOf, fakeRoot, headerOf, type TestBlock } from "./engine-page";

const SCALE = { low: [-1, 0], high: [1, 4], most: 4 };
const BLOCKS: Record<string, TestBlock> = {
  latents: { type: "u1", values: [0, 0, 4, 4, 2, 1], shape: [3, 2], scale: SCALE },
  errors: { type: "f4", values: [0.5, 0.25, 1] },
  numbers: { type: "u4", values: [10, 20, 30] },
  "map/latents": { type: "u2", values: [0, 0, 4, 4, 2, 1], shape: [3, 2], scale: SCALE },
  originals: { type: "u1", values: [1, 2, 3, 4, 5, 6] },
  weights: { type: "f4", values: [1, 0, 0, 2, 10, 20] },
};
const ROWS = {
  count: 3,
  total: 30,
  which: "",
  form: "vector",
  shape: [2],
  latents: "latents",
  errors: "errors",
  numbers: "numbers",
  unit: "",
  originals: { way: "block", block: "originals" },
  clusters: null,
} as const;
const OWN: Network = {
  way: "own",
  program: {
    inputs: ["latent"],
    output: "y",
    nodes: [{ op: "Gemm", inputs: ["latent", "w", "b"], output: "y", attributes: {} }],
    constants: { w: { shape: [2, 2], start: 0 }, b: { shape: [2], start: 4 } },
    weights: "weights",
  },
};

async function open(more: Parameters<typeof headerOf>[0] = {}, blocks: Record<string, TestBlock> = {}) {
  const { facts, root } = await blocksOf({ ...BLOCKS, ...blocks });
  const maps = [{ name: "latents", block: "map/latents", plane: true, note: "" }];
  const rows = ROWS as unknown as Header["rows"];
  const model = { form: "vector" as const, rowShape: [2], ...more.model };
  const header = headerOf({ rows, maps, decoder: OWN, ...more, model, blocks: facts });
  return createEngine(header, root);
}

afterEach(() => void vi.unstubAllGlobals());

describe("rows of a page", () => {
  it("have latents, errors and numbers", async () => {
    const engine = await open();
    expect([engine.count, engine.width]).toEqual([3, 2]);
    expect(Array.from(engine.latents(1))).toEqual([1, 4]);
    expect(Array.from(engine.errors)).toEqual([0.5, 0.25, 1]);
    expect(engine.number(2)).toBe(30);
    expect(engine.nearest(Float32Array.of(0.1, 1), 2)).toEqual([2, 0]);
  });

  it("keep their latents where a view changes what it got", async () => {
    const engine = await open();
    engine.latents(1).fill(99);
    expect(Array.from(engine.latents(1))).toEqual([1, 4]);
  });

  it("have originals from a block", async () => {
    const engine = await open();
    expect(Array.from((await engine.original(2)) ?? [])).toEqual([5, 6]);
  });

  it("have originals from columns, NaN where a cell is missing", async () => {
    const columns: Column[] = [
      { name: "label", kind: "text", block: "t", at: null },
      { name: "b", kind: "boolean", block: "b", at: 1 },
      { name: "a", kind: "number", block: "a", at: 0 },
    ];
    const rows = { ...ROWS, form: "cells", originals: { way: "columns" } } as unknown as Header["rows"];
    const engine = await open(
      { columns, rows },
      {
        t: { type: "json", values: '["x","y",null]' },
        a: { type: "f8", values: [0.1, 0.2, 0.3] },
        b: { type: "u1", values: [1, 255, 0], missing: 255 },
      },
    );
    expect(Array.from((await engine.original(1)) ?? [])).toEqual([0.2, NaN]);
    expect(await engine.values(0)).toEqual(["x", "y", null]);
    expect(await engine.values(2)).toBe(await engine.values(2));
  });

  it("have no originals where they were left out", async () => {
    const engine = await open({ rows: { ...ROWS, originals: null } as unknown as Header["rows"] });
    expect(await engine.original(0)).toBeNull();
  });

  it("may be absent", async () => {
    const engine = await open({ rows: null, maps: [] });
    expect([engine.count, engine.errors.length, engine.nearest(Float32Array.of(0, 0), 3).length]).toEqual([0, 0, 0]);
    expect(Array.from(await engine.decode(Float32Array.of(1, 1)))).toEqual([11, 22]);
  });
});

describe("the map", () => {
  it("is loaded when the engine is there", async () => {
    const engine = await open();
    expect(Array.from(engine.latentsAt(0, 0.5, 0.5))).toEqual([0, 2]);
    expect(engine.placeOf(0, Float32Array.of(0, 2))).toEqual([0.5, 0.5]);
    expect(engine.rowsAt(0, 0.9, 0.9, 2)).toEqual([1, 2]);
    expect(Array.from(await engine.map(0))).toEqual([0, 0, 1, 1, 0.5, 0.25]);
  });
});

describe("the decoder in the page", () => {
  it("gives rows, at once when it is ready", async () => {
    const engine = await open();
    expect(engine.canDecode).toBe(true);
    expect(Array.from(await engine.decode(Float32Array.of(1, 2)))).toEqual([11, 24]);
    const [first, second] = [engine.decodeNow(Float32Array.of(0, 0)), engine.decodeNow(Float32Array.of(1, 0))];
    expect(Array.from(first ?? [])).toEqual([10, 20]);
    expect(Array.from(second ?? [])).toEqual([11, 20]);
  });

  it("gives each of several requests its own row", async () => {
    const engine = await open();
    const both = await Promise.all([engine.decode(Float32Array.of(0, 0)), engine.decode(Float32Array.of(1, 1))]);
    expect(both.map((row) => Array.from(row))).toEqual([
      [10, 20],
      [11, 22],
    ]);
  });

  it("says what is wrong", async () => {
    const engine = await open();
    await expect(engine.decode(Float32Array.of(1))).rejects.toThrow("Expected 2 latents, got 1");
    await expect(engine.encode(Float32Array.of(1, 2))).rejects.toThrow("has no encoder");
    const none = await open({ decoder: null });
    expect([none.canDecode, none.decodeNow(Float32Array.of(1, 2))]).toEqual([false, null]);
    await expect(none.decode(Float32Array.of(1, 2))).rejects.toThrow("has no decoder");
    expect((await open({ decoder: { way: "server" } })).canDecode).toBe(false);
  });
});

describe("a conditional table", () => {
  const adapter: Adapter = {
    kind: "table",
    features: [
      { kind: "category", start: 1, width: 2 },
      { kind: "number", start: 0, width: 1, center: 100, scale: 10 },
    ],
    gaps: false,
    width: 3,
  };
  // y = number: latent 0 + 5 * level 1; levels: always level 0.
  const decoder: Network = {
    way: "own",
    program: {
      inputs: ["latent", "condition"],
      output: "y",
      nodes: [
        { op: "Concat", inputs: ["latent", "condition"], output: "c", attributes: {} },
        { op: "Gemm", inputs: ["c", "w", "b"], output: "y", attributes: {} },
      ],
      constants: { w: { shape: [4, 3], start: 0 }, b: { shape: [3], start: 12 } },
      weights: "table",
    },
  };
  // Number: latent 0; raw numbers of the levels: latent 0 and latent 1.
  const OPEN: Network = {
    way: "own",
    program: {
      inputs: ["latent"],
      output: "y",
      nodes: [{ op: "MatMul", inputs: ["latent", "w"], output: "y", attributes: {} }],
      constants: { w: { shape: [2, 3], start: 0 } },
      weights: "open",
    },
  };
  const blocks: Record<string, TestBlock> = {
    open: { type: "f4", values: [1, 1, 0, 0, 0, 1] },
    table: { type: "f4", values: [1, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 1, 0] },
    site: { type: "u1", values: [0, 1, 1], missing: 255 },
  };
  const given = {
    adapter,
    decoder,
    condition: { places: [1, 2], columns: [0] },
    columns: [
      { name: "site", kind: "category", block: "site", at: 0, levels: ["x", "y"], role: "condition" },
      { name: "weight", kind: "number", block: "absent", at: 1 },
    ] as Column[],
    model: { form: "cells" as const, rowShape: [2] },
  };

  it("gives the decoder the condition of a row, and the row its own cells", async () => {
    const engine = await open(given, blocks);
    expect(Array.from(await engine.decode(Float32Array.of(2, 0), 0))).toEqual([0, 120]);
    expect(Array.from(await engine.decode(Float32Array.of(2, 0), 1))).toEqual([1, 170]);
    expect(Array.from(engine.decodeNow(Float32Array.of(2, 0), Float64Array.of(1, NaN)) ?? [])).toEqual([1, 170]);
    await expect(engine.decode(Float32Array.of(2, 0))).rejects.toThrow("choose the row");
    expect(await engine.values(1)).toEqual(Float64Array.of(NaN, NaN, NaN));
  });

  it("knows probabilities of rows that it decoded", async () => {
    const engine = await open(given, blocks);
    const row = await engine.decode(Float32Array.of(2, 0), 1);
    const errors = engine.cellErrors(Float64Array.of(0, 100), row);
    expect(errors[0]).toBe(0); // the condition was given
    expect(errors[1]).toBeCloseTo(7, 6);
    const free = await open({ ...given, condition: null, decoder: OPEN }, blocks);
    const other = await free.decode(Float32Array.of(2, 0));
    expect(free.cellErrors(Float64Array.of(0, 100), other)[0]).toBeCloseTo(1 - Math.exp(2) / (1 + Math.exp(2)), 6);
    expect(free.cellErrors(Float64Array.of(0, 100), other.slice())[0]).toBe(0); // a copy: level 0 is right
  });

  it("asks a server with the latents, then the condition", async () => {
    const bodies: number[][] = [];
    vi.stubGlobal("fetch", (url: string, options?: RequestInit) => {
      if (url.includes("blocks/")) return Promise.resolve(new Response(stored[url.slice(10)]));
      bodies.push(Array.from(options?.body as Float32Array));
      return Promise.resolve(new Response(Float64Array.of(0, 150)));
    });
    const { facts, stored } = await blocksOf({ ...BLOCKS, ...blocks });
    const rows = ROWS as unknown as Header["rows"];
    const header = headerOf({ ...given, rows, decoder: { way: "server" }, base: "/t/", blocks: facts });
    const engine = await createEngine(header, fakeRoot({}));
    expect(Array.from(await engine.decode(Float32Array.of(2, 3), 1))).toEqual([1, 150]);
    expect(bodies).toEqual([[2, 3, 0, 1]]);
    expect(engine.decodeNow(Float32Array.of(2, 3), 1)).toBeNull();
  });
});

describe("a server", () => {
  it("gives originals and latents", async () => {
    const asked: [string, unknown][] = [];
    const rows = { ...ROWS, count: 0, latents: "l", errors: "l", numbers: null, originals: { way: "server" } };
    const blocks = { l: { type: "f4" as const, shape: [0], gzip: false } };
    vi.stubGlobal("fetch", (url: string, options?: RequestInit) => {
      if (url.includes("blocks/")) return Promise.resolve(new Response(new Uint8Array(0)));
      asked.push([url, options?.body]);
      return Promise.resolve(new Response(url.includes("encode") ? Float32Array.of(3, 4) : Float32Array.of(7, 8)));
    });
    const header = headerOf({
      rows: rows as unknown as Header["rows"],
      encoder: { way: "server" },
      base: "/t/",
      blocks,
      model: { form: "vector", rowShape: [2] },
    });
    const engine = await createEngine(header, fakeRoot({}));
    expect(Array.from((await engine.original(5)) ?? [])).toEqual([7, 8]);
    expect(Array.from(await engine.encode(Float32Array.of(1, 2)))).toEqual([3, 4]);
    expect(asked).toEqual([
      ["/t/rows/5", undefined],
      ["/t/encode", Float32Array.of(1, 2)],
    ]);
  });
});

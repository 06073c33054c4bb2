import { describe, expect, it } from "vitest";
import { createEngine } from "../src/engine";
import { compareGroups, compareMeans, compareShares } from "../src/engine/groups";
import type { Column, Header } from "../src/format";
import { blocksOf, headerOf } from "./engine-page";

const facts = { name: "x", kind: "number" as const, at: 0 };

describe("means of two groups", () => {
  it("differ by Cohen's d, computed by hand", () => {
    // A: 1, 2, 3 (mean 2, squares 2); B: 4, 6 (mean 5, squares 2); pooled variance 4 / 3.
    const found = compareMeans(facts, [1, 2, 3, 4, 6, NaN], [0, 1, 2], [3, 4, 5]);
    expect(found.size).toBeCloseTo(-3 / Math.sqrt(4 / 3), 12);
    expect([found.a, found.b, found.missingA, found.missingB, found.measure]).toEqual([2, 5, 0, 1, "d"]);
  });

  it("of one row each are compared in standard deviations of all rows", () => {
    expect(compareMeans(facts, [1, 2, 3], [2], [0]).size).toBe(2);
  });

  it("are equal, infinitely far or unknown where nothing varies or nothing is there", () => {
    expect(compareMeans(facts, [1, 1, 1, 1], [0, 1], [2, 3]).size).toBe(0);
    expect(compareMeans(facts, [1, 1, 0, 0], [0, 1], [2, 3]).size).toBe(Infinity);
    expect(compareMeans(facts, [1, 1, NaN, NaN], [0, 1], [2, 3]).size).toBeNaN();
  });
});

describe("shares of two groups", () => {
  it("differ most in one level, by Cohen's h", () => {
    // A: a, a, b, c; B: a, b, b, b, and one missing.
    const found = compareShares(facts, [0, 0, 1, 2, 0, 1, 1, 1, NaN], [0, 1, 2, 3], [4, 5, 6, 7, 8], ["a", "b", "c"]);
    expect([found.level, found.a, found.b, found.missingA, found.missingB]).toEqual(["b", 0.25, 0.75, 0, 1]);
    expect(found.size).toBeCloseTo(2 * (Math.PI / 6 - Math.PI / 3), 12); // asin(sqrt(1/4)) = 30 degrees
  });

  it("of a boolean are those of true", () => {
    const found = compareShares(facts, [1, 1, 0, 0], [0, 1], [2, 3], ["false", "true"], 1);
    expect([found.level, found.a, found.b]).toEqual(["true", 1, 0]);
    expect(found.size).toBeCloseTo(Math.PI, 12);
  });
});

describe("a page", () => {
  it("is compared in all columns and latents but texts, the largest difference first", async () => {
    const { facts: blocks, root } = await blocksOf({
      latents: { type: "f4", values: [0, 5, 1, 5, 0, 5, 9, 5, 10, 5, 9, 5], shape: [6, 2] },
      errors: { type: "f4", values: [1, 1, 1, 1, 1, 1] },
      age: { type: "f8", values: [1, 3, 2, 2, 4, 3] },
      site: { type: "u1", values: [0, 0, 255, 1, 1, 1], missing: 255 },
      name: { type: "json", values: '["a","b","c","d","e","f"]' },
      empty: { type: "f4", values: [NaN, NaN, NaN, NaN, NaN, NaN] },
    });
    const column = (name: string, kind: Column["kind"], more: Partial<Column> = {}): Column => ({
      name,
      kind,
      block: name,
      at: null,
      ...more,
    });
    const columns = [
      column("age", "number"),
      column("site", "category", { levels: ["x", "y"] }),
      column("name", "text"),
      column("empty", "number"),
      column("left out", "number"),
    ];
    const rows = { count: 6, total: 6, latents: "latents", errors: "errors", numbers: null, originals: null };
    const header = headerOf({ columns, blocks, rows: rows as unknown as Header["rows"] });
    const engine = await createEngine(header, root);
    const found = await compareGroups(engine, [0, 1, 2], [3, 4, 5]);
    expect(found.map((each) => each.name)).toEqual(["latent 0", "site", "age", "latent 1", "empty"]);
    expect(found[0].size).toBeCloseTo(-9 / Math.sqrt(1 / 3), 5);
    expect(found[1]).toMatchObject({ level: "x", a: 1, b: 0, missingA: 1, missingB: 0 });
    expect(found[4].size).toBeNaN();
  });
});

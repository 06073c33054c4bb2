import { describe, expect, it } from "vitest";
import { brush, inkOf } from "../src/explore/brush";
import { colouringOf, hideLevels, paintColours, wordsOf } from "../src/explore/colouring";
import { sortRows, type TableColumn } from "../src/explore/rowtable";
import { ERROR, parseQuery, ROW, search } from "../src/explore/search";
import { CATEGORICAL, MISSING } from "../src/shared/colours";
import { madeEngine } from "./explore-engine";

const engine = madeEngine({
  latents: [
    [0, 0],
    [1, 0],
    [2, 0],
    [3, 0],
    [4, 0],
  ],
  numbers: [40, 41, 42, 43, 44],
  columns: [
    { name: "city", kind: "category", block: "0", at: 0, levels: ["Oslo", "<b>Rome</b>"], values: [0, 1, 0, NaN, 0] },
    { name: "Age", kind: "number", block: "1", at: 1, values: [42, Math.fround(5.1), NaN, 70, 1000] },
    { name: "note", kind: "text", block: "2", at: null, values: ["in Rome", null, "", "x".repeat(10_000), "42a"] },
    { name: "since", kind: "date", block: "3", at: 2, values: [0, 86_400, 1.6e9, 1.7e9, NaN] },
    { name: "member", kind: "boolean", block: "4", at: 3, values: [1, 0, 1, NaN, 0] },
  ],
});

async function found(typed: string): Promise<number[]> {
  const hits = await search(engine, typed, new AbortController().signal);
  return [...hits!.rows];
}

describe("search", () => {
  it.each([
    ["rome", [0, 1]],
    ["42", [2, 0, 4]],
    ["5.1", [1]],
    ["1,000", [4]],
    ["age > 50", [3, 4]],
    ["age>=42", [0, 3, 4]],
    ["Age = 5.1", [1]],
    ["city = oslo", [0, 2, 4]],
    ["city = os", []],
    ["city != oslo", [1, 3]],
    ["error > 0.25", [3, 4]],
    ["row < 42", [0, 1]],
    ["since < 2000-01-01", [0, 1]],
    ["2020-09", [2]],
    ["member = no", [1, 4]],
    ["age = missing", [2]],
    ["xxxx", [3]],
    ["nothing like it", []],
    ["  ", []],
  ])("finds %j", async (typed, rows) => {
    expect(await found(typed)).toEqual(rows);
  });

  it("says in which column", async () => {
    const hits = await search(engine, "42", new AbortController().signal);
    expect([...hits!.columns]).toEqual([ROW, 1, 2]);
    expect(parseQuery(engine, "error < 3")).toEqual({ column: ERROR, comparison: "<", text: "3" });
    expect(parseQuery(engine, "a < b")).toEqual({ text: "a < b" });
  });

  it("ends when it is given up", async () => {
    const controller = new AbortController();
    controller.abort();
    expect(await search(engine, "42", controller.signal)).toBeNull();
  });

  it("lets other work run in between", async () => {
    const rows = 200_000;
    const large = madeEngine({
      latents: Array.from({ length: rows }, () => [0, 0]),
      columns: [0, 1, 2].map((at) => ({
        name: `text ${at}`,
        kind: "text" as const,
        block: "",
        at: null,
        values: Array.from({ length: rows }, (_, row) => `row ${row * 7} of ${at}`),
      })),
    });
    let [longest, last] = [0, performance.now()];
    const timer = setInterval(() => {
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
    }, 1);
    const hits = await search(large, "777 of 2", new AbortController().signal);
    clearInterval(timer);
    expect(hits!.rows.length).toBeGreaterThan(10);
    expect(longest).toBeLessThan(200);
  });
});

describe("colours", () => {
  it("of levels are counted, and hidden levels are not drawn", async () => {
    const colouring = await colouringOf(engine, "column:0");
    expect(colouring.levels!.map(({ name, count }) => [name, count])).toEqual([
      ["<b>Rome</b>", 1],
      ["missing", 1],
      ["Oslo", 3],
    ]);
    expect(colouring.levels![1].colour).toBe(MISSING);
    const visible = new Uint8Array(5).fill(1);
    hideLevels(colouring, ["Oslo"], visible);
    expect([...visible]).toEqual([0, 1, 0, 1, 0]);
    const colours = new Uint8Array(20);
    paintColours(colouring, visible, colours);
    expect([...colours.subarray(4, 8)]).toEqual([...CATEGORICAL[0], 255]);
    expect(colours[3]).toBe(0);
    expect(wordsOf(colouring, 1)).toBe("<b>Rome</b>");
  });

  it("of numbers run from low to high, and missing ones are grey", async () => {
    const colouring = await colouringOf(engine, "column:1");
    expect(colouring.missing).toBe(1);
    const colours = new Uint8Array(20);
    paintColours(colouring, new Uint8Array(5).fill(1), colours);
    expect([...colours.subarray(8, 11)]).toEqual([...MISSING]);
    expect([...colours.subarray(16, 19)]).not.toEqual([...colours.subarray(4, 7)]);
  });

  it("of a latent are its values", async () => {
    const colouring = await colouringOf(engine, "latent:0");
    expect(Array.from(colouring.values!)).toEqual([0, 1, 2, 3, 4]);
  });

  it("of very many texts keep the frequent ones and count the rest", async () => {
    const values = Array.from({ length: 1000 }, (_, row) => (row % 2 ? "often" : `text ${row}`));
    const many = madeEngine({
      latents: values.map(() => [0, 0]),
      columns: [{ name: "t", kind: "text", block: "", at: null, values }],
    });
    const { levels } = await colouringOf(many, "column:0");
    expect(levels![0]).toMatchObject({ name: "often", count: 500 });
    expect(levels!.length).toBe(201);
    expect(levels!.reduce((sum, level) => sum + level.count, 0)).toBe(1000);
  });
});

describe("a sorted table", () => {
  const column = (values: (number | string)[]): TableColumn => ({
    key: "k",
    title: "t",
    right: true,
    words: String,
    worth: (row) => values[row],
  });

  it("has missing values last, rising and falling", () => {
    const rows = Uint32Array.of(0, 1, 2, 3);
    const numbers = column([3, NaN, -1, 3]);
    expect([...sortRows(rows, numbers, false)]).toEqual([2, 0, 3, 1]);
    expect([...sortRows(rows, numbers, true)]).toEqual([0, 3, 2, 1]);
  });

  it("sorts texts as people do", () => {
    const texts = column(["b10", "b9", "A", "b9"]);
    expect([...sortRows(Uint32Array.of(3, 2, 1, 0), texts, false)]).toEqual([2, 3, 1, 0]);
  });
});

describe("a brush", () => {
  const picture = { height: 8, width: 8, channels: 3, low: 0, high: 1 };

  it("paints under the pointer and nowhere else", () => {
    const row = new Float32Array(8 * 8 * 3);
    brush(row, picture, [2.5, 2.5], [5.5, 2.5], 0.5, inkOf("white", "", picture, row));
    const at = (x: number, y: number) => row[(y * 8 + x) * 3];
    expect([at(2, 2), at(4, 2), at(5, 2)]).toEqual([1, 1, 1]);
    expect([at(2, 4), at(7, 2), at(0, 0)]).toEqual([0, 0, 0]);
  });

  it("writes a colour, and the eraser brings back what was there", () => {
    const before = new Float32Array(8 * 8 * 3).fill(0.25);
    const row = before.slice();
    brush(row, picture, [4.5, 4.5], [4.5, 4.5], 1, inkOf("colour", "#ff8000", picture, before));
    const start = (4 * 8 + 4) * 3;
    expect(Array.from(row.subarray(start, start + 3), (value) => Math.round(value * 255))).toEqual([255, 128, 0]);
    brush(row, picture, [4.5, 4.5], [4.5, 4.5], 3, inkOf("erase", "", picture, before));
    expect(row).toEqual(before);
  });
});

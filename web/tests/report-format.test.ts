import { describe, expect, it } from "vitest";
import type { Column } from "../src/format";
import {
  bytes,
  capital,
  cell,
  count,
  date,
  duration,
  number,
  percent,
  plural,
  range,
  short,
} from "../src/shared/format";

const column = (facts: Partial<Column>): Column => ({ name: "c", kind: "number", block: "b", at: 0, ...facts });

describe("numbers", () => {
  it("have four significant digits, and never fewer digits before the point than they have", () => {
    expect([0.123456, 12.3456, 1234.56, 12345.6, 1e6].map((value) => number(value))).toEqual([
      "0.1235",
      "12.35",
      "1235",
      "12,346",
      "1,000,000",
    ]);
  });
  it("that are whole are written in full; years get no comma", () => {
    expect([0, -3, 2014, 123456789].map((value) => number(value))).toEqual(["0", "-3", "2014", "123,456,789"]);
  });
  it("that are very small or very large have an exponent", () => {
    expect([1.2344e-7, -2e-9, 1e20].map((value) => number(value))).toEqual(["1.234e-7", "-2e-9", "1e20"]);
  });
  it("that are missing are called missing", () => {
    expect([NaN, null, undefined].map((value) => number(value))).toEqual(["missing", "missing", "missing"]);
  });
  it("of a range have no more digits than its width deserves", () => {
    expect(range(5.7e-25, 1)).toBe("0 to 1");
    expect(range(-1.04567, 1.0312)).toBe("-1.05 to 1.03");
    expect(range(1000.123, 1000.456)).toBe("1000.123 to 1000.456");
    expect(range(2, 2)).toBe("2 to 2");
  });
});

describe("cells", () => {
  it("are written by their kind", () => {
    expect(cell(column({ kind: "category", levels: ["a", "b"] }), 1)).toBe("b");
    expect(cell(column({ kind: "boolean" }), 0)).toBe("no");
    expect(cell(column({ kind: "date" }), 86400)).toBe("1970-01-02");
    expect(cell(column({ kind: "date", time: true }), 3661)).toBe("1970-01-01 01:01:01");
    expect(cell(column({ kind: "text" }), "<b>")).toBe("<b>");
  });
  it("that are missing, or of a level that is not known, are said so", () => {
    expect(cell(column({ kind: "category", levels: ["a"] }), NaN)).toBe("missing");
    expect(cell(column({ kind: "category", levels: ["a"] }), 7)).toBe("level 7");
    expect(date(NaN)).toBe("missing");
  });
});

describe("words", () => {
  it("count", () => {
    expect([plural(1, "row"), plural(10000, "row"), plural(2, "row is", "rows are"), count(1234)]).toEqual([
      "1 row",
      "10,000 rows",
      "2 rows are",
      "1,234",
    ]);
  });
  it("have units", () => {
    expect([bytes(999), bytes(1500), bytes(15_400_000), bytes(999_700)]).toEqual([
      "999 bytes",
      "1.5 kB",
      "15 MB",
      "1.0 MB",
    ]);
    expect([duration(3.21), duration(200), duration(7500)]).toEqual(["3.2 s", "3 min 20 s", "2 h 5 min"]);
    expect([percent(0.41), percent(0.049), percent(0.0032), percent(0)]).toEqual(["41 %", "4.9 %", "0.32 %", "0 %"]);
    expect(capital("training")).toBe("Training");
  });
  it("of any length are cut for tooltips, and no letter is cut in two", () => {
    expect(short("x".repeat(10000))).toHaveLength(300);
    expect(Array.from(short("😀".repeat(400))).length).toBe(300);
    expect(short("short")).toBe("short");
  });
});

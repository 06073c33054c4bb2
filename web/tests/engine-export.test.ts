import { parquetMetadata, parquetReadObjects } from "hyparquet";
import { describe, expect, it } from "vitest";
import { createEngine } from "../src/engine";
import {
  fileColumns,
  rowsToCsv,
  rowsToIds,
  rowsToParquet,
  toCsv,
  toParquet,
  type FileColumn,
} from "../src/engine/export";
import type { Column, Header } from "../src/format";
import { blocksOf, headerOf } from "./engine-page";

async function engineOf() {
  const { facts: blocks, root } = await blocksOf({
    latents: { type: "f4", values: [0.1, 2, 3, -4], shape: [2, 2] },
    errors: { type: "f4", values: [0.25, 1e-7] },
    numbers: { type: "u4", values: [7, 4294967295] },
    c0: { type: "f8", values: [NaN, 0.1] },
    c1: { type: "u1", values: [1, 255], missing: 255 },
    c2: { type: "u1", values: [1, 255], missing: 255 },
    c3: { type: "f8", values: [86400 * 365, -1] },
    c4: { type: "f8", values: [1.5, 1700000000] },
    c5: { type: "json", values: JSON.stringify(['a "b",\r\n=1+1', null]) },
    c6: { type: "f4", values: [3, NaN] },
  });
  const kinds: [string, Column["kind"], Partial<Column>?][] = [
    ["weight, kg", "number"],
    ["ok", "boolean"],
    ["site", "category", { levels: ["<b>", "\u202eright"] }],
    ["day", "date", { time: false }],
    ["moment", "date", { time: true }],
    ["row", "text"],
    ["visits", "count"],
  ];
  const columns = kinds.map(([name, kind, more], at) => ({ name, kind, block: `c${at}`, at: null, ...more }) as Column);
  columns.push({ name: "left out", kind: "number", block: "absent", at: 0 });
  const rows = { count: 2, total: 9, latents: "latents", errors: "errors", numbers: "numbers", originals: null };
  const header = headerOf({ columns, blocks, rows: rows as unknown as Header["rows"] });
  return createEngine(header, root);
}

describe("CSV", () => {
  it("has all cells exactly: quotes, line ends, markup, dates, missing cells", async () => {
    expect(await rowsToCsv(await engineOf(), [0, 1])).toBe(
      'row,"weight, kg",ok,site,day,moment,row_2,visits,latent_0,latent_1,error\r\n' +
        '7,,true,\u202eright,1971-01-01,1970-01-01T00:00:01.500,"a ""b"",\r\n=1+1",3,0.1,2,0.25\r\n' +
        "4294967295,0.1,,,1969-12-31,2023-11-14T22:13:20,,,3,-4,1e-7\r\n",
    );
  });

  it("has the rows and columns that were asked for, in their order", async () => {
    const options = { columns: [6], latents: false, errors: false };
    expect(await rowsToCsv(await engineOf(), Uint32Array.of(1, 0), options)).toBe(
      "row,visits\r\n4294967295,\r\n7,3\r\n",
    );
  });

  it("tells an empty text from a missing one, and keeps float32 short", () => {
    const columns: FileColumn[] = [
      { name: "", kind: "text", values: ["", null, " x "] },
      { name: "f", kind: "single", values: Float32Array.of(16777216, 0.3, 1.23456789) },
    ];
    expect(toCsv(columns)).toBe('"",f\r\n"",16777216\r\n,0.3\r\n x ,1.2345679\r\n');
  });

  it("gives numbers that are read back as the same float32", () => {
    const values = Float32Array.from({ length: 3000 }, (_, at) => Math.tan(at * 1.7) * 10 ** ((at % 60) - 30));
    const lines = toCsv([{ name: "f", kind: "single", values }])
      .trim()
      .split("\r\n")
      .slice(1);
    const digits = lines.map(
      (line) =>
        line
          .replace(/e.*/, "")
          .replace(/[-.]/g, "")
          .replace(/^0+|0+$/g, "").length,
    );
    expect(Math.max(...digits)).toBe(9); // a float32 needs no more
    expect(lines.map((line) => Math.fround(Number(line)))).toEqual(Array.from(values));
  });
});

describe("ids", () => {
  it("are the numbers of rows in the data, one a line", async () => {
    expect(rowsToIds(await engineOf(), [1, 0])).toBe("4294967295\n7\n");
  });
});

describe("Parquet", () => {
  it("is read by another library with the same cells and types", async () => {
    const bytes = await rowsToParquet(await engineOf(), [0, 1]);
    const rows = await parquetReadObjects({ file: bytes.buffer });
    expect(rows).toEqual([
      {
        row: 7n,
        "weight, kg": null,
        ok: true,
        site: "\u202eright",
        day: new Date("1971-01-01"),
        moment: new Date("1970-01-01T00:00:01.500Z"),
        row_2: 'a "b",\r\n=1+1',
        visits: 3,
        latent_0: Math.fround(0.1),
        latent_1: 2,
        error: 0.25,
      },
      {
        row: 4294967295n,
        "weight, kg": 0.1,
        ok: null,
        site: null,
        day: new Date("1969-12-31"),
        moment: new Date("2023-11-14T22:13:20Z"),
        row_2: null,
        visits: null,
        latent_0: 3,
        latent_1: -4,
        error: Math.fround(1e-7),
      },
    ]);
    const moment = parquetMetadata(bytes.buffer).schema.find((each) => each.name === "moment");
    expect(moment?.logical_type).toMatchObject({ type: "TIMESTAMP", isAdjustedToUTC: false, unit: "MICROS" });
  });

  it("holds many rows", async () => {
    const values = Float64Array.from({ length: 120000 }, (_, at) => at / 3);
    const bytes = toParquet([{ name: "a", kind: "number", values }]);
    const rows = await parquetReadObjects({ file: bytes.buffer });
    expect(rows.length).toBe(120000);
    expect(rows.every((row, at) => row.a === at / 3)).toBe(true);
  });
});

describe("columns of a file", () => {
  it("leave out what the page does not have", async () => {
    const names = (await fileColumns(await engineOf(), [0])).map((column) => column.name);
    expect(names).not.toContain("left out");
  });
});

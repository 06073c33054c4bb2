import { describe, expect, it } from "vitest";
import type { Engine } from "../src/engine/types";
import type { Column, Evaluation, Header } from "../src/format";
import { errorsInWords, latentOrder, reason, rowTitles } from "../src/report/load";
import { pickRows } from "../src/report/pick";
import { byColumn, byNumber, diameterOf, mapPixels } from "../src/report/scatter";
import { sectionsOf } from "../src/report/sections";
import { comparison, curveInWords, curvesOf, evaluatedOn } from "../src/report/summary";
import { changingCells, changingChannels, traverse } from "../src/report/traversal";

describe("the rows that are shown", () => {
  it("are those with the smallest, the median and the largest errors", () => {
    const errors = Float32Array.from({ length: 101 }, (_, at) => ((at * 37) % 101) + 1);
    const { best, typical, worst, median } = pickRows(errors, 3);
    expect(best.map((row) => errors[row])).toEqual([1, 2, 3]);
    expect(worst.map((row) => errors[row])).toEqual([101, 100, 99]);
    expect(median).toBe(51);
    expect(typical.map((row) => errors[row])).toEqual([51, 50, 52].sort((a, b) => Math.abs(a - 51) - Math.abs(b - 51)));
  });
  it("are never shown twice, and rows without an error not at all", () => {
    for (const length of [0, 1, 2, 5, 16, 23, 24, 25]) {
      const errors = Float32Array.from({ length }, (_, at) => (at === 3 ? NaN : at % 4));
      const { best, typical, worst } = pickRows(errors, 8);
      const all = [...best, ...typical, ...worst];
      expect(new Set(all).size).toBe(all.length);
      expect(all).not.toContain(length > 3 ? 3 : -1);
      expect(all.length).toBe(Math.min(length > 3 ? length - 1 : length, 24));
    }
  });
});

const evaluation = (facts: Partial<Evaluation>): Evaluation => ({
  rows: 1000,
  evaluatedOn: "test",
  model: 0.5,
  pca: 1,
  constant: 2,
  unit: "",
  columns: [],
  ...facts,
});

describe("sentences", () => {
  it("compare with PCA", () => {
    expect(comparison(evaluation({}), 8)).toBe(
      "The error of the model is 50 % lower than that of PCA with 8 components.",
    );
    expect(comparison(evaluation({ model: 1.2 }), 1)).toBe(
      "The error of the model is 20 % higher than that of PCA with 1 component.",
    );
    expect(comparison(evaluation({ model: 1.001 }), 2)).toContain("the same as");
    expect(comparison(evaluation({ pca: null as unknown as number }), 2)).toBe("");
  });
  it("say on which rows", () => {
    expect(evaluatedOn(evaluation({}))).toBe("1,000 test rows, which training and validation did not use");
    expect(evaluatedOn(evaluation({ rows: 1, evaluatedOn: "training" }))).toBe("1 training row");
  });
  it("say what errors are", () => {
    expect(errorsInWords("in standard deviations")).toBe("Errors are in standard deviations.");
    expect(errorsInWords("of the error of the best constant guess")).toContain("shares of the error");
    expect([reason(new Error("It broke")), reason("Odd.")]).toEqual(["It broke.", "Odd."]);
  });
  it("tell the training curve", () => {
    const model = { history: { loss: [3, 2], val_loss: [4, 2.5] }, bestEpoch: 2 } as unknown as Header["model"];
    expect(curveInWords(model)).toContain("from 3 to 2. The best epoch is 2, with a validation loss of 2.5.");
    expect(curvesOf(model).map((line) => line.points)).toEqual([
      [
        [1, 3],
        [2, 2],
      ],
      [
        [1, 4],
        [2, 2.5],
      ],
    ]);
  });
});

it("a section without data is absent", () => {
  const bare = { rows: null, evaluation: null, latents: null, maps: [], anomalies: null, search: null, decoder: null };
  const ids = (facts: object) => sectionsOf({ ...bare, ...facts } as unknown as Header).map((section) => section.id);
  expect(ids({})).toEqual(["report-summary", "report-about"]);
  expect(ids({ evaluation: evaluation({}) })).toEqual(["report-summary", "report-about"]);
  expect(ids({ anomalies: { reliability: null } })).toEqual(["report-summary", "report-anomalies", "report-about"]);
  expect(ids({ anomalies: { reliability: {} }, search: {}, latents: {} })).toEqual(
    ["summary", "latents", "anomalies", "reliability", "search", "about"].map((id) => `report-${id}`),
  );
});

it("latents are in the order of their importance", () => {
  const header = (importance: number[]) => ({ model: { latents: 3 }, latents: { importance } }) as unknown as Header;
  expect(latentOrder(header([0.1, 0.7, 0.3]))).toEqual([1, 2, 0]);
  expect(latentOrder(header([]))).toEqual([0, 1, 2]);
});

it("rows are called by their number in the data and their label", async () => {
  const columns = [
    { role: "id", kind: "text" },
    { role: "label", kind: "category", levels: ["cat", "dog"] },
  ];
  const engine = {
    header: { columns },
    number: (row: number) => row + 1000,
    values: async () => Float64Array.of(1, NaN),
  };
  const title = await rowTitles(engine as unknown as Engine);
  expect([title(0), title(1)]).toEqual(["Row 1,000: dog", "Row 1,001"]);
});

describe("the small map", () => {
  const column = (kind: Column["kind"], levels?: string[]): Column => ({
    name: "c",
    kind,
    block: "",
    at: null,
    ...(levels ? { levels } : {}),
  });

  it("has a colour and a count for each level", () => {
    const found = byColumn(column("category", ["a", "b", "unused"]), Float64Array.of(0, 1, 1, NaN))!;
    expect(found.legend.levels!.map((level) => [level.name, level.count])).toEqual([
      ["a", 1],
      ["b", 2],
      ["missing", 1],
    ]);
    expect([...found.colours.slice(3, 6)]).toEqual([...found.colours.slice(6, 9)]);
  });
  it("takes few whole numbers as levels, and many numbers as a scale", () => {
    expect(byColumn(column("number"), Float64Array.of(7, 3, 7))!.legend.levels!.map((level) => level.name)).toEqual([
      "3",
      "7",
    ]);
    expect(
      byColumn(
        column("number"),
        Float64Array.from({ length: 50 }, (_, at) => at),
      )!.legend.range,
    ).not.toBeNull();
    expect(byColumn(column("text"), ["a"])).toBeNull();
    expect(byNumber("error", [NaN, 1]).colours).toHaveLength(6);
  });
  it("draws each row at its place, with y upwards", () => {
    const pixels = mapPixels([0, 0, 1, 1, NaN, 0], Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9), 10, 1);
    const at = (x: number, y: number) => [...pixels.slice((y * 10 + x) * 4, (y * 10 + x) * 4 + 4)];
    expect(at(0, 9)).toEqual([1, 2, 3, 255]);
    expect(at(9, 0)).toEqual([4, 5, 6, 255]);
    expect(pixels.filter((value) => value === 255)).toHaveLength(2);
    expect(diameterOf(1_000_000, 440)).toBe(1);
  });
  it("draws a million rows in a moment", () => {
    const places = Float32Array.from({ length: 2_000_000 }, (_, at) => (at * 0.618) % 1);
    const start = performance.now();
    mapPixels(places, new Uint8Array(3_000_000), 880, diameterOf(1_000_000, 880));
    expect(performance.now() - start).toBeLessThan(1500);
  });
});

describe("traversals", () => {
  const header = (form: string, shape: number[]) =>
    ({
      rows: { form, shape },
      columns: [],
      condition: null,
      adapter: { kind: "affine", divisor: [1] },
      latents: { low: [-2, 0], high: [2, 6], mean: [0.5, 1], importance: [] },
    }) as unknown as Header;

  it("move one latent from low to high while the others keep their mean", async () => {
    const seen: number[][] = [];
    const shared = new Float32Array(2);
    const decode = async (latents: Float32Array) => {
      seen.push([...latents]);
      shared.set(latents);
      return shared;
    };
    const { values, rows } = await traverse({ header: header("vector", [2]), decode } as unknown as Engine, 1);
    expect(values).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(seen.every((latents) => latents[0] === 0.5)).toBe(true);
    expect(rows.map((row) => row[1])).toEqual(values);
  });
  it("show the cells and channels that change most", () => {
    const rows = [Float32Array.of(0, 0, 0), Float32Array.of(0, 3, 1)];
    expect(changingCells(header("cells", [3]), rows)).toEqual([1, 2]);
    const panels = changingChannels(header("series", [1, 3]), rows, 2);
    expect(panels.map((panel) => panel.name)).toEqual(["channel 2", "channel 3"]);
    expect(panels[0].range).toEqual([0, 3]);
  });
});

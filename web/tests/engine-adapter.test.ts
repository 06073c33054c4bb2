import { describe, expect, it } from "vitest";
import { createAdapter } from "../src/engine/adapter";
import { interpolated } from "../src/engine/features";
import { fromPixels } from "../src/engine/originals";
import type { Adapter, Column } from "../src/format";
import { headerOf } from "./engine-page";
import { facts, raw, restored, rows, tensors } from "./engine-table";

type Affine = Extract<Adapter, { kind: "affine" }>;

function affine(more: Partial<Affine>, form: "image" | "series" | "vector" | "cells", rowShape: number[]) {
  const plain: Affine = { kind: "affine", offset: [0], divisor: [1], scale: [1], most: null, gaps: false };
  return createAdapter(headerOf({ adapter: { ...plain, ...more }, model: { form, rowShape } }));
}

describe("pictures in bytes", () => {
  const adapter = affine({ divisor: [255], scale: [255], most: 255 }, "image", [2, 2, 1]);

  it("are divided by 255", () => {
    expect(Array.from(adapter.toTensor(Float32Array.of(0, 255, 51, 102)))).toEqual(
      [0, 1, 0.2, 0.4].map((value) => Math.fround(value)),
    );
    expect(adapter.tensorShape).toEqual([2, 2, 1]);
  });

  it("are rounded as NumPy does, halves to the even number, and clipped", () => {
    const plain = affine({ most: 255 }, "image", [2, 2, 1]);
    expect(Array.from(plain.toRow(Float32Array.of(0.5, 1.5, 2.5, 300)))).toEqual([0, 2, 2, 255]);
    expect(Array.from(adapter.toRow(Float32Array.of(-0.3, 0.4999, 1, 0)))).toEqual([0, 127, 255, 0]);
  });
});

describe("arrays", () => {
  it("have an offset and a scale for each channel in turn; scale 0 gives the offset", () => {
    const adapter = affine({ offset: [10, 7], divisor: [2, 1], scale: [2, 0] }, "vector", [4]);
    expect(Array.from(adapter.toTensor(Float32Array.of(12, 7, 8, 8)))).toEqual([1, 0, -1, 1]);
    expect(Array.from(adapter.toRow(Float32Array.of(1, 99, -0.5, NaN)))).toEqual([12, 7, 9, 7]);
  });

  it("are doubles where rows are cells", () => {
    const adapter = affine({ offset: [1.7e9], divisor: [1000], scale: [1000] }, "cells", [1]);
    expect(adapter.toTensor(Float64Array.of(1.7e9 + 1))[0]).toBeCloseTo(0.001, 8);
    expect(adapter.toRow(Float32Array.of(0.001))[0]).toBeCloseTo(1.7e9 + 1, 4);
  });

  it("refuse rows of another size, and missing values", () => {
    const adapter = affine({}, "vector", [2]);
    expect(() => adapter.toTensor(Float32Array.of(1))).toThrow("Expected a row of 2 numbers, got 1");
    expect(() => adapter.toTensor(Float32Array.of(1, NaN))).toThrow("number 1 is missing");
    expect(() => adapter.toRow(Float32Array.of(1))).toThrow("gave 1 numbers, and its rows need 2");
  });
});

describe("series with gaps", () => {
  const adapter = affine({ offset: [1, 2], divisor: [2, 4], scale: [2, 4], gaps: true }, "series", [2, 2]);

  it("have flags after the channels at each time", () => {
    expect(Array.from(adapter.toTensor(Float32Array.of(3, NaN, NaN, 10)))).toEqual([1, 0, 0, 1, 0, 2, 1, 0]);
    expect(adapter.tensorShape).toEqual([2, 4]);
  });

  it("are restored without flags, whether the decoder gives them or not", () => {
    expect(Array.from(adapter.toRow(Float32Array.of(1, 1, 9, 9, 2, 2, 9, 9)))).toEqual([3, 6, 5, 10]);
    expect(Array.from(adapter.toRow(Float32Array.of(1, 1, 2, 2)))).toEqual([3, 6, 5, 10]);
  });

  it("have errors in units of the network, 0 where a value is missing", () => {
    const errors = adapter.cellErrors(Float32Array.of(3, NaN, 1, 10), Float32Array.of(5, 0, 1, 2));
    expect(Array.from(errors)).toEqual([1, 0, 0, 2]);
  });
});

describe("tables", () => {
  const columns = "abcdefg".split("").map((name, at) => ({ name, at }) as Column);
  const adapter = createAdapter(headerOf({ adapter: facts, columns, model: { form: "cells", rowShape: [7] } }));

  it("become the tensors that Python makes: knots, counts, levels, dates, flags", () => {
    rows.forEach((row, at) => {
      const found = adapter.toTensor(Float64Array.from(row));
      expect(found.length).toBe(tensors[at].length);
      tensors[at].forEach((value, place) => {
        expect(Math.abs(found[place] - value)).toBeLessThan(1e-6 * (1 + Math.abs(value)));
      });
    });
  });

  it("are restored from raw numbers as Python does: links, tails, the likeliest level", () => {
    raw.forEach((numbers, at) => {
      const found = adapter.toRow(Float32Array.from(numbers));
      restored[at].forEach((value, place) => {
        expect(Math.abs(found[place] - value)).toBeLessThan(1e-6 * (1 + Math.abs(value)));
      });
    });
  });

  it("clip counts that would overflow", () => {
    const numbers = new Float32Array(20);
    numbers[8] = 1000;
    expect(adapter.toRow(numbers)[2]).toBeCloseTo(2.87 * Math.exp(50), -10);
  });

  it("refuse what a column cannot have, and name it", () => {
    const row = Float64Array.from([0, 1, 2.5, 0, 0, 0, 7]);
    expect(() => adapter.toTensor(row)).toThrow('2.5 in column "c" is not a count');
    row.set([2, 3], 2);
    expect(() => adapter.toTensor(row)).toThrow('3 in column "d" is not a boolean');
    const strict = createAdapter(headerOf({ adapter: { ...facts, gaps: false } as Adapter, columns }));
    expect(() => strict.toTensor(Float64Array.of(0, NaN, 0, 0, 0, 0, 7))).toThrow('column "b" is missing');
  });

  it("have errors of cells in units of the network, of a level 1 - p where the raw numbers are known", () => {
    const row = Float64Array.of(4.927609165992408 + 3.961543928294485, NaN, 2.87 * 2, 1, 2, 1538146896, 7);
    const other = Float64Array.of(4.927609165992408, 1, 2.87, 0, 1, 1538146896 + 22163550.19208755, 7);
    const errors = adapter.cellErrors(row, other);
    [2, 0, 1, 1, 1, 1, 0].forEach((value, at) => expect(errors[at]).toBeCloseTo(value, 6));
    const numbers = new Float32Array(13);
    numbers.set([Math.log(3), Math.log(1), Math.log(2), Math.log(6)], 9);
    const known = adapter.cellErrors(row, other, numbers);
    expect(known[3]).toBeCloseTo(1 - 3 / 4, 6);
    expect(known[4]).toBeCloseTo(1 - 6 / 9, 6);
  });
});

describe("interpolation", () => {
  it("is np.interp: linear between knots, constant beyond them", () => {
    const [from, to] = [
      [0, 1, 3],
      [10, 20, 0],
    ];
    expect([-5, 0, 0.25, 1, 2, 3, 9].map((x) => interpolated(x, from, to))).toEqual([10, 10, 12.5, 20, 10, 0, 0]);
  });
});

describe("pixels of a sheet", () => {
  it("give pictures in their own units", () => {
    const pixels = [0, 0, 0, 255, 255, 128, 51, 255];
    expect(Array.from(fromPixels(pixels, 1, [0, 255]))).toEqual([0, 255]);
    expect(Array.from(fromPixels(pixels, 3, [0, 255]))).toEqual([0, 0, 0, 255, 128, 51]);
    expect(Array.from(fromPixels(pixels, 1, [-1, 1]))).toEqual([-1, 1]);
  });
});

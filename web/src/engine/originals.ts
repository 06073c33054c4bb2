/** The original rows of a page: cut out of sheets of pictures, from columns, from a block, or from a server. */

import type { Header, Originals } from "../format";
import { ask, inUnits, numbersOfAnswer, type Blocks } from "./blocks";
import type { Row } from "./types";

type Sheets = Extract<Originals, { way: "sheets" }>;

const KEPT = 4; // sheets that stay decoded, 64 MB each at most

/** Returns originals by the row of the page, from 0. */
export interface Source {
  row(row: number): Promise<Row>;
  close(): void;
}

/** Return the source of the originals of a page; null if they were left out. */
export function createSource(
  header: Header,
  blocks: Blocks,
  values: (column: number) => Promise<Float64Array | (string | null)[]>,
  number: (row: number) => number,
): Source | null {
  const { rows, base } = header;
  if (!rows?.originals) return null;
  const { originals } = rows;
  const size = rows.shape.reduce((product, axis) => product * axis, 1);
  const exact = rows.form === "cells" ? Float64Array : Float32Array;
  const close = () => undefined;
  if (originals.way === "sheets") return sheetSource(originals, rows.shape, rows.range ?? [0, 255], blocks);
  if (originals.way === "columns") {
    const own = header.columns.flatMap((column, at) => (column.at === null ? [] : [{ at, to: column.at }]));
    const row = async (row: number) => {
      const cells = new Float64Array(size).fill(NaN);
      const found = await Promise.all(own.map(({ at }) => values(at)));
      own.forEach(({ to }, place) => (cells[to] = (found[place] as Float64Array)[row]));
      return cells;
    };
    return { row, close };
  }
  if (originals.way === "block") {
    const facts = blocks.block(originals.block);
    let all: ReturnType<Blocks["codes"]> | null = null;
    const row = async (row: number) => {
      all ??= blocks.codes(originals.block);
      const codes = await all;
      return inUnits<Row>(codes.slice(row * size, (row + 1) * size), facts, exact);
    };
    return { row, close };
  }
  const row = async (row: number) => {
    const answer = await ask(`${base ?? ""}rows/${number(row)}`, `row ${number(row)}`);
    return exact.from(await numbersOfAnswer(answer, size));
  };
  return { row, close };
}

function sheetSource(sheets: Sheets, shape: number[], range: [number, number], blocks: Blocks): Source {
  const [height, width, channels] = shape;
  const decoded = new Map<number, Promise<ImageBitmap>>(); // in the order of their last use
  let context: CanvasRenderingContext2D | null = null;
  const forget = (sheet: number) => {
    const bitmap = decoded.get(sheet);
    decoded.delete(sheet);
    bitmap?.then((each) => each.close()).catch(() => undefined);
  };
  const open = (sheet: number) => {
    let bitmap = decoded.get(sheet);
    decoded.delete(sheet);
    bitmap ??= blocks
      .bytes(sheets.blocks[sheet])
      .then((bytes) =>
        createImageBitmap(new Blob([bytes]), { premultiplyAlpha: "none", colorSpaceConversion: "none" }),
      );
    bitmap.catch(() => decoded.delete(sheet));
    decoded.set(sheet, bitmap);
    for (const oldest of decoded.keys()) if (decoded.size > KEPT) forget(oldest);
    return bitmap;
  };
  return {
    row: async (row) => {
      context ??= canvasOf(width, height);
      const bitmap = await open(Math.floor(row / sheets.per));
      const place = row % sheets.per;
      const [left, top] = [(place % sheets.columns) * width, Math.floor(place / sheets.columns) * height];
      context.drawImage(bitmap, left, top, width, height, 0, 0, width, height);
      return fromPixels(context.getImageData(0, 0, width, height).data, channels, range);
    },
    close: () => [...decoded.keys()].forEach(forget),
  };
}

function canvasOf(width: number, height: number): CanvasRenderingContext2D {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) throw new Error("This browser has no canvas, which is needed to read pictures.");
  return context;
}

/** Return a picture in its units from RGBA pixels; a grey picture is read from red. */
export function fromPixels(pixels: ArrayLike<number>, channels: number, range: [number, number]): Float32Array {
  const [low, high] = range;
  const values = new Float32Array((pixels.length / 4) * channels);
  for (let from = 0, to = 0; from < pixels.length; from += 4) {
    for (let channel = 0; channel < channels; channel++) {
      values[to++] = low + (pixels[from + channel] * (high - low)) / 255;
    }
  }
  return values;
}

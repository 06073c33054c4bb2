/** The layers of a model as blocks of a drawing. */

import type { Form, LayerFacts, ModelFacts } from "../format";
import { count, plural } from "./format";

export interface LayerBlock {
  part: LayerFacts["part"] | "input";
  /** Such as "dense 256, elu". */
  words: string;
  /** The axes of its output in words. */
  axes: string;
  /** How many numbers its output has for one row. */
  size: number;
  /** Written under the block. */
  mark: string;
  weights: number;
  /** The height of the block as a share of the highest one, by the logarithm of its size. */
  height: number;
}

/** Return the axes of one row in words: "height 14, width 14, 32 channels", "120 time steps, 6 channels". */
export function axesInWords(shape: number[], form: Form): string {
  if (shape.length === 3 && form === "image") {
    return `height ${shape[0]}, width ${shape[1]}, ${plural(shape[2], "channel")}`;
  }
  if (shape.length === 2 && form === "series")
    return `${plural(shape[0], "time step")}, ${plural(shape[1], "channel")}`;
  if (shape.length === 1) return plural(shape[0], form === "cells" ? "column" : "number");
  return shape.map(count).join(" by ");
}

/**
 * Return the blocks of a model: its rows, then its layers in the order of computation. Layers that only change the axes
 * have no block: the block before a reshape gets the new axes.
 */
export function blocksOf(model: ModelFacts): LayerBlock[] {
  const size = (shape: number[]) => shape.reduce((product, axis) => product * axis, 1);
  const mark = (shape: number[]) => (shape.length > 1 ? shape.join("×") : count(size(shape)));
  const block = (
    part: LayerBlock["part"],
    words: string,
    shape: number[],
    form: Form,
    weights: number,
  ): LayerBlock => ({
    part,
    words,
    axes: axesInWords(shape, form),
    size: size(shape),
    mark: mark(shape),
    weights,
    height: 0,
  });
  // Inside a network even rows of a table are plain numbers.
  const inside = model.form === "cells" ? "vector" : model.form;
  const blocks = [block("input", "rows", model.rowShape, model.form, 0)];
  for (const layer of model.layers) {
    const last = blocks[blocks.length - 1];
    if (
      layer.weights === 0 &&
      (layer.kind === "flatten" || layer.kind === "reshape") &&
      size(layer.shape) === last.size
    ) {
      if (layer.kind === "flatten") continue;
      last.axes = axesInWords(layer.shape, inside);
      last.mark = mark(layer.shape);
      continue;
    }
    const words = layer.words.startsWith(layer.kind) ? layer.words : `${layer.kind} ${layer.words}`.trim();
    blocks.push(block(layer.part, words, layer.shape, inside, layer.weights));
  }
  const most = Math.log(Math.max(...blocks.map((block) => block.size), 2) + 1);
  for (const each of blocks) each.height = Math.log(each.size + 1) / most;
  return blocks;
}

/** Return what a block is in one sentence. */
export function sentenceOf(block: LayerBlock): string {
  const part = { input: "Input", encoder: "Encoder", bottleneck: "Bottleneck", decoder: "Decoder" }[block.part];
  const weights = block.part === "input" ? "" : `, ${block.weights ? plural(block.weights, "weight") : "no weights"}`;
  return `${part}: ${block.words}; ${block.axes}${weights}.`;
}

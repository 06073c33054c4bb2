/** Sentences of the summary. */

import type { Evaluation, Header, ModelFacts } from "../format";
import type { Line } from "../shared/LineChart.svelte";
import { count, number, percent, plural } from "../shared/format";

const EVALUATED: Record<string, string> = {
  test: "test rows, which training and validation did not use",
  validation: "validation rows",
  training: "training rows",
  given: "rows that were given for this page",
};

/** Return the rows on which the model was evaluated, such as "1,000 validation rows". */
export function evaluatedOn(evaluation: Evaluation): string {
  const rows = EVALUATED[evaluation.evaluatedOn] ?? `rows (${evaluation.evaluatedOn})`;
  return `${count(evaluation.rows)} ${evaluation.rows === 1 ? rows.replace("rows", "row") : rows}`;
}

/** Return how the error compares with that of PCA, in one sentence. */
export function comparison(evaluation: Evaluation, latents: number): string {
  const { model, pca } = evaluation;
  const against = `PCA with ${plural(latents, "component")}`;
  if (!Number.isFinite(model) || !(pca > 0)) return "";
  const change = 1 - model / pca;
  if (Math.abs(change) < 0.005) return `The error of the model is the same as that of ${against}.`;
  return change > 0
    ? `The error of the model is ${percent(change)} lower than that of ${against}.`
    : `The error of the model is ${percent(-change)} higher than that of ${against}.`;
}

const NAMES: Record<string, string> = { loss: "training loss", val_loss: "validation loss" };

/** Return the curves of training and validation loss. Other numbers of the history have other units and are left out. */
export function curvesOf(model: ModelFacts): Line[] {
  return ["loss", "val_loss"].flatMap((key) => {
    const values = model.history[key];
    if (!values?.length) return [];
    return [
      {
        name: NAMES[key],
        points: values.map((value, at) => [at + 1, value ?? NaN] as const),
        colour: key === "loss" ? "var(--model)" : "var(--pca)",
        dashed: key !== "loss",
      },
    ];
  });
}

/** Return the training curves in words, for screen readers. */
export function curveInWords(model: ModelFacts): string {
  const { loss = [], val_loss: validation = [] } = model.history;
  const parts = [`Training curve of ${plural(Math.max(loss.length, validation.length), "epoch")}.`];
  if (loss.length) parts.push(`The training loss went from ${number(loss[0])} to ${number(loss[loss.length - 1])}.`);
  const best = validation[model.bestEpoch - 1];
  if (best !== undefined)
    parts.push(`The best epoch is ${model.bestEpoch}, with a validation loss of ${number(best)}.`);
  return parts.join(" ");
}

/** Return the key figures of data and model: name, value and note. */
export function figuresOf(header: Header): { name: string; value: string; note: string }[] {
  const { model } = header;
  const features = model.rowShape.length > 1 ? model.rowShape.join(" × ") : count(model.features);
  const forms = {
    image: "pixels and channels",
    cells: "columns",
    series: "time steps and channels",
    vector: "features",
  };
  return [
    {
      name: "Training rows",
      value: count(model.rows),
      note: model.validationRows ? `and ${count(model.validationRows)} for validation` : "no validation rows",
    },
    { name: "One row", value: features, note: forms[model.form] },
    { name: "Latents", value: count(model.latents), note: `${model.bottleneck} bottleneck` },
    { name: "Weights", value: count(model.weights), note: `${model.structure} structure` },
  ];
}

"""What `fit` and `search` do with a trained model: evaluate it, write it with two pictures, show how good it is.

Order: what is written, the evaluation, the writing, the tables.
"""

from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diabolo.cli import process

if TYPE_CHECKING:
    from rich.table import Table

    from diabolo.data.splits import Split
    from diabolo.model.model import Model
    from diabolo.model.record import Record
    from diabolo.page.search import Facts
    from diabolo.report.columns import ColumnFigures
    from diabolo.report.diagnosis import Finding
    from diabolo.report.summary import Summary

COLUMNS = 20  # that are shown


def outputs(
    model_path: Path, *, force: bool, replaced: Collection[Path] = (), pictures: bool = True, report: bool = False
) -> dict[str, Path]:
    """Return the paths to write, as "model", "reconstructions", "training", "report". Raises OutputError if one exists.

    Args: replaced: whole paths of files that may exist; pictures, report: whether there are any.
    """
    from diabolo.model import file as modelfile
    from diabolo.storage import files

    model_path = modelfile.with_suffix(model_path)
    names = ("reconstructions", "training") if pictures else ()
    paths = {"model": model_path} | {name: model_path.with_name(f"{model_path.stem}-{name}.png") for name in names}
    paths |= {"report": model_path.with_name(f"{model_path.stem}-report.html")} if report else {}
    for path in paths.values():
        files.refuse_existing(path, force=force or path.resolve() in replaced)
    return paths


class Results:
    """How good a model is, on the rows that were held back.

    Attributes: summary: figures; findings: problems, and what to try; written: paths of files by name ("model", ...).
    """

    def __init__(self, model: "Model", rows: "Split", seconds: float, *, corrupt: bool = False) -> None:
        from diabolo.report.diagnosis import diagnose, worse_than_pca
        from diabolo.report.summary import summarise

        self.model = model
        self._rows, evaluated_on = (rows.sample, "training") if rows.test is None else (rows.test, "test")
        self._labels, self._train = rows.labels, rows.sample
        self._seen = _corrupted(model, self._rows) if corrupt else None
        self.summary: Summary = summarise(
            model,
            rows.sample,
            self._rows,
            evaluated_on=evaluated_on,
            test_rows=0 if rows.test is None else len(rows.test),
            seconds=seconds,
            seen=self._seen,
        )
        worse = worse_than_pca(model, self.summary.error, self.summary.pca_error)
        self.findings: list[Finding] = [*diagnose(model, self._rows), *([] if worse is None else [worse])]
        self._numbers = rows.numbers
        self.written: dict[str, str] = {}

    def write(self, paths: dict[str, Path], *, force: bool) -> None:
        """Write the model, then the pictures that have a path. Raises OutputError."""
        process.stop_before(paths["model"])
        save_model(self.model, paths["model"], force=force)  # first: it alone took a training
        self.written = {name: str(path) for name, path in paths.items() if name != "report"}
        if "training" not in paths:
            return
        from diabolo.report import pictures
        from diabolo.report.columns import ColumnFigures
        from diabolo.storage import files

        if self.summary.columns:
            reconstructions = pictures.columns([ColumnFigures(**each) for each in self.summary.columns])
        else:
            reconstructions = pictures.reconstructions(self.model, self._rows, self._seen, self._labels, self._numbers)
        figures = {"reconstructions": reconstructions, "training": pictures.training(self.model)}
        for name, figure in figures.items():
            files.write_atomically(paths[name], partial(pictures.save, figure), force=force)

    def write_page(
        self, path: Path, *, force: bool, data: str = "", data_dir: Path | None = None, search: "Facts | None" = None
    ) -> None:
        """Write the report. Args: data: as the user named it; search: what a search found. Raises OutputError."""
        from diabolo.page import document
        from diabolo.page.anomalies import anomalies
        from diabolo.page.document import Asked
        from diabolo.page.rows import labels_of, of_array
        from diabolo.page.views import some_of

        part, labels = f"{self.summary.evaluated_on} rows", labels_of(data, data_dir)
        rows = some_of(of_array(self._rows, self.model.record.source, self._numbers, part=part, labels=labels))
        asked = Asked(
            anomalies=anomalies,
            search=search,
            file=Path(self.written["model"]).name,
            train=self._train,
            evaluated_on=self.summary.evaluated_on,
        )
        self.written["report"] = str(document.page(self.model, rows, asked).save(path, force=force))

    def show(self, optimizer_reason: str | None = None) -> None:
        """Print all of it."""
        show_results(self.summary, self.model.record, self.written, self.findings, optimizer_reason)

    def to_config(self) -> dict[str, Any]:
        """Return all of it as JSON values."""
        findings = [str(each) for each in self.findings]
        return self.summary.to_config() | {"written": self.written, "findings": findings}


def _corrupted(model: "Model", rows: Any) -> Any:
    """Return rows with the corruption of the training, or None where there was none."""
    import numpy as np

    from diabolo.network.corruptions import CORRUPTIONS, corrupted
    from diabolo.parts import read_part

    settings, adapter = model.record.settings, model.adapter
    if settings["corruption"] in (None, "auto") or adapter.is_table:
        return None
    corruption = read_part("corruption", CORRUPTIONS, settings["corruption"])
    if not corruption.hides:
        return None
    seen = corrupted(corruption, model.loss, adapter.adapt(rows), settings["random_state"], bounded=adapter.bounded)
    restored = adapter.restore(seen)
    channels = model.loss.flagged_channels
    return np.where(seen[..., channels:] == 1, np.nan, restored) if channels else restored


def save_model(model: "Model", path: Path, *, force: bool) -> None:
    """Write a model; where that fails, write it to a temporary folder, so that the training is not lost.

    A disk may have become full, or a folder may be gone, when a long training has ended.

    Raises: OutputError where `path` cannot be written; it says where the model is kept.
    """
    import tempfile

    from diabolo.errors import OutputError
    from diabolo.model import file as modelfile

    try:
        modelfile.save(model, path, force=force)
    except OutputError as error:
        try:
            spare = Path(tempfile.mkdtemp(prefix="kept-model-"))
        except OSError:  # no room there either
            raise error from None
        try:
            kept = modelfile.save(model, spare / path.name)
        except OutputError:
            spare.rmdir()
            raise error from None
        raise OutputError(f"{error} The model is kept as {kept}.") from error


def show_results(
    summary: "Summary",
    record: "Record",
    written: dict[str, str],
    findings: Sequence["Finding"],
    reason: str | None = None,
) -> None:
    """Print how good a model is, what was noticed and what was written."""
    from diabolo.cli.show import count, facts, print_tables
    from diabolo.report.columns import ColumnFigures

    validation = f", {summary.validation_rows:,} validation" if summary.validation_rows else ""
    test = f", {summary.test_rows:,} test" if summary.test_rows else ", no test rows: evaluated on training rows"
    about = {
        "rows": f"{summary.rows:,} training{validation}{test}",
        "latent": f"{count(summary.latent_dim, 'number')} for {summary.features:,}, 1 : {summary.compression:.3g}",
        "weights": f"{summary.weights:,}",
        "loss": f"{summary.reconstruction_loss}: {record.loss_reason}",
        **({} if reason is None else {"optimizer": reason}),
        "epochs": f"{summary.epochs}, best {summary.best_epoch}",
        "seconds": f"{summary.seconds:.1f}",
    }
    _, pca, _ = summary.errors
    head = "relative error" if summary.columns else "squared error"
    tables: list[Any] = [_errors(f"error of {summary.evaluated_on} rows", summary.errors, pca, head)]
    if summary.columns:
        tables += ["", _columns([ColumnFigures(**each) for each in summary.columns])]
    if summary.seen_errors:
        through = summary.seen_errors
        lines = {"this model": through["model"], pca: through["pca"], "the corrupted rows": through["rows"]}
        tables += ["", _errors("input corrupted as in training", lines, pca, head)]
    paths = [f"{what:16}{path}" for what, path in written.items()]
    noticed = ["", "noticed", *(f"- {finding}" for finding in findings)] if findings else []
    unit = [
        f"mean per feature, {summary.unit}"
        if not summary.columns
        else "mean over columns; 0: perfect, 1: no better than a constant"
    ]
    print_tables(facts(about), "", *tables, *unit, *noticed, "", *paths)


def _columns(columns: "Sequence[ColumnFigures]") -> "Table":
    """Return a table of how well the columns are reconstructed, the worst first."""
    from diabolo.cli.show import table

    figures = sorted(columns, key=lambda each: each.left, reverse=True)
    result = table(header=True)
    result.add_column("column")
    result.add_column("kind", no_wrap=True)
    for head in ("this model", "PCA", "a constant"):
        result.add_column(head, justify="right", no_wrap=True)
    result.add_column("", no_wrap=True)
    for each in figures[:COLUMNS]:
        shown = [f"{value:.1%}" if each.measure == "right" else f"{value:.3f}" for value in _values(each)]
        measure = "cells correct" if each.measure == "right" else "R2"
        result.add_row(each.name, each.kind, *shown, measure)
    if len(figures) > COLUMNS:
        result.add_row(f"and {len(figures) - COLUMNS} more that are reconstructed better")
    return result


def _values(figures: "ColumnFigures") -> tuple[float, float, float]:
    return figures.model, figures.pca, figures.guess


def _errors(title: str, errors: dict[str, float], yardstick: str, head: str) -> "Table":
    """Return a table of errors, relative to that of the yardstick and as bars; the first is ours."""
    from diabolo.cli.show import bar, table

    result = table(header=True)
    result.add_column(title, no_wrap=True)
    result.add_column(head, justify="right")
    result.add_column("relative to PCA", justify="right")
    result.add_column(no_wrap=True)
    longest = max(errors.values()) or 1.0
    # Where PCA is perfect except for rounding, a ratio to its error means nothing.
    comparable = errors[yardstick] > 1e-9 * longest
    for place, (name, error) in enumerate(errors.items()):
        share = f"{error / errors[yardstick]:.2f}" if comparable else ""
        style = "" if place else "bold"
        result.add_row(name, f"{error:.5f}", share, bar(max(1, round(30 * error / longest))), style=style)
    return result

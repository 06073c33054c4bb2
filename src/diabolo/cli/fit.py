"""`diabolo fit DATA`: train, judge, save, draw."""

import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from diabolo.cli.options import (
    Data,
    DataDir,
    Force,
    Json,
    Latent,
    check_data,
    check_settings,
    latents,
    reads,
    stem,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from diabolo.data.splits import Split
    from diabolo.data.tables import Reading
    from diabolo.model.model import Model

# Headings of the help text.
PARTS, TRAINING = "Parts", "Training"


def _list_presets(asked: bool) -> None:
    if not asked:
        return
    from diabolo.cli.show import print_tables, table
    from diabolo.network.presets import PRESETS

    presets = table(header=True)
    for column in ("preset", "what it makes", "the same as"):
        presets.add_column(column, no_wrap=column == "preset")
    for name, (settings, about) in PRESETS.items():
        presets.add_row(name, about, " ".join(f"--{key} {value}" for key, value in settings.items()))
    print_tables(presets)
    raise typer.Exit


@reads()
def fit(
    *,
    how: "Reading",
    data: Data,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Model file to write, with two pictures next to it. Default: DATA.safetensors"
        ),
    ] = None,
    latent_dim: Latent = None,
    structure: Annotated[
        str | None,
        typer.Option(
            help="In words: dense, 'conv 32-64, dense 256', 'lstm 64', attention, ...; or sizes from the features to "
            "the latent: 784-256-128.",
            rich_help_panel=PARTS,
        ),
    ] = None,
    tied: Annotated[
        bool,
        typer.Option(
            "--tied",
            help="Dense layers of the decoder use the transposed kernels of the encoder.",
            rich_help_panel=PARTS,
        ),
    ] = False,
    activation: Annotated[
        str, typer.Option(help="Of the hidden layers: elu, relu, gelu, silu, tanh, ...", rich_help_panel=PARTS)
    ] = "elu",
    preset: Annotated[
        str | None,
        typer.Option(help="A name for a mix of the parts below: vae, denoising, ...; --list-presets shows them."),
    ] = None,
    list_presets: Annotated[
        bool,
        typer.Option("--list-presets", callback=_list_presets, is_eager=True, help="Show the presets and end."),
    ] = False,
    bottleneck: Annotated[
        str | None,
        typer.Option(
            help="plain, sparse, gaussian, quantized, ordered or refined, with settings: gaussian:beta=4.",
            rich_help_panel=PARTS,
        ),
    ] = None,
    bottleneck_activation: Annotated[
        str | None, typer.Option(help="Of the latent, where the bottleneck leaves a choice.", rich_help_panel=PARTS)
    ] = None,
    corruption: Annotated[
        str | None,
        typer.Option(
            help="Noise on the input alone: gaussian:0.5, masking:0.3, salt_and_pepper:0.1, swap:0.15, binarize.",
            rich_help_panel=PARTS,
        ),
    ] = None,
    penalty: Annotated[
        str | None,
        typer.Option(
            help="Beside the reconstruction: contractive:0.1, mmd:100, adversarial:10, total_correlation:5, l2:0.001.",
            rich_help_panel=PARTS,
        ),
    ] = None,
    reconstruction_loss: Annotated[
        str,
        typer.Option(
            help="bernoulli, gaussian, huber, poisson, categorical, ssim, or auto: chosen from the data.",
            rich_help_panel=PARTS,
        ),
    ] = "auto",
    optimizer: Annotated[
        str | None,
        typer.Option(
            help="adam, adamw, nadam, rmsprop, adamax, lion, muon, adafactor, schedule_free or sgd; settings follow a "
            "colon. auto: chosen from the data. Default: adamw:0.1, or adam for a gaussian bottleneck.",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(help="At the start. Default: what suits the optimizer; 0.001 for Adam.", rich_help_panel=TRAINING),
    ] = None,
    learning_rate_schedule: Annotated[
        str, typer.Option(help="cosine (down to 0) or constant.", rich_help_panel=TRAINING)
    ] = "cosine",
    epochs: Annotated[int, typer.Option(help="At most so many passes over the rows.", rich_help_panel=TRAINING)] = 50,
    batch_size: Annotated[int, typer.Option(help="Rows a step.", rich_help_panel=TRAINING)] = 64,
    validation_fraction: Annotated[
        float,
        typer.Option(help="Share of the training rows held back to tell the best epoch.", rich_help_panel=TRAINING),
    ] = 0.1,
    patience: Annotated[
        int,
        typer.Option(
            help="Epochs without a better validation loss before training ends; 0: never.", rich_help_panel=TRAINING
        ),
    ] = 10,
    test_fraction: Annotated[
        float,
        typer.Option(
            help="Share of the rows held back to judge by, where the data has no test part.", rich_help_panel=TRAINING
        ),
    ] = 0.1,
    allow_overcomplete: Annotated[
        bool,
        typer.Option(
            "--allow-overcomplete", help="Accept as many latents as features, or more.", rich_help_panel=PARTS
        ),
    ] = False,
    random_state: Annotated[
        int,
        typer.Option(
            help="The seed. One command gives one file, bit for bit; rows read in parts: under one --memory; long "
            "trainings of other than dense layers: if the clock chooses the same program.",
            rich_help_panel=TRAINING,
        ),
    ] = 0,
    memory: Annotated[
        str | None,
        typer.Option(
            help="What rows may take, such as 2GB; more are read in parts, again for every epoch. Default: a quarter "
            "of what is free.",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    series: Annotated[
        bool, typer.Option("--series", help="Arrays of three axes are series (n, time, channels), not grey images.")
    ] = False,
    run: Annotated[
        Path | None,
        typer.Option(
            help="Folder in which the training is kept: whatever ends it, --resume goes on.", rich_help_panel=TRAINING
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on in the folder of --run.", rich_help_panel=TRAINING)
    ] = False,
    data_dir: DataDir = None,
    json: Json = False,
    force: Force = False,
) -> None:
    """Train an auto-encoder on DATA; write the model and two pictures; show how good it is.

    Rows are judged that training never saw: the test part of a data set, or a share of the rows held back.
    """
    started = time.perf_counter()

    from diabolo.autoencoder import Autoencoder
    from diabolo.data.memory import limit
    from diabolo.errors import DivergedError, OptionError, OutputError
    from diabolo.fitting.automatic.latents import AUTO
    from diabolo.report.diagnosis import diagnose
    from diabolo.report.summary import summarise
    from diabolo.training.progress import shown

    check_held_back(test_fraction, random_state)
    if resume and run is None:
        raise OptionError("resume=True (--resume) needs the folder of the run: give run (--run) as well.")
    at_most = limit(memory)
    parts = {"structure": structure, "bottleneck": bottleneck, "corruption": corruption, "penalty": penalty}
    given = {name: part for name, part in parts.items() if part is not None}
    estimator = Autoencoder(
        latents(latent_dim),
        **(_preset(preset) | given),
        tied=tied,
        activation=activation,
        bottleneck_activation=bottleneck_activation,
        reconstruction_loss=reconstruction_loss,
        optimizer=optimizer,
        learning_rate=learning_rate,
        learning_rate_schedule=learning_rate_schedule,
        epochs=epochs,
        batch_size=batch_size,
        validation_fraction=validation_fraction,
        patience=patience,
        allow_overcomplete=allow_overcomplete,
        random_state=random_state,
        memory=at_most,
        types=dict(how.types) or None,
        series=series,
    )
    check_settings(estimator)
    check_data(data, how, data_dir, series=series)
    paths = outputs(output or Path(f"{stem(data)}.safetensors"), force=force)
    name, rows = read_judged(data, data_dir, how, at_most, batch_size, test_fraction, random_state, series=series)
    if estimator.latent_dim == AUTO:
        print("latents: counted by a short training first", file=sys.stderr)
    try:
        with shown() as report:
            train = rows.train if rows.source is None else rows.source
            model = estimator.fit(train, report=report, source=name, also=rows.test, run=run, resume=resume).model_
    except DivergedError as error:
        if error.model is not None:
            try:
                _save(error.model, paths["model"], force=force)
                where = f"The model of epoch {error.model.record.best_epoch} is in {paths['model']}."
            except OutputError as lost:
                where = str(lost)
            error.args = (f"{error} {where}",)
        raise
    judge, judged_on = (rows.sample, "training") if rows.test is None else (rows.test, "test")
    seen = _corrupted(model, judge)
    summary = summarise(
        model,
        rows.sample,
        judge,
        judged_on=judged_on,
        test_rows=0 if rows.test is None else len(rows.test),
        seconds=time.perf_counter() - started,
        seen=seen,
    )
    findings = diagnose(model, judge)
    reason = getattr(estimator, "optimizer_reason_", None)
    write_results(model, judge, seen, summary.columns, paths, force=force)
    written = {what: str(path) for what, path in paths.items()}
    if json:
        import json as writer

        more = {
            "optimizer_reason": reason,
            "written": written,
            "random_state": random_state,
            "findings": [str(each) for each in findings],
        }
        print(writer.dumps(summary.to_config() | more))
    else:
        show_results(summary, model.record, written, findings, reason)


def check_held_back(test_fraction: float, seed: int) -> None:
    """Raise OptionError where these cannot say which rows are held back."""
    from diabolo.errors import OptionError

    if not 0 <= test_fraction < 1:
        raise OptionError(f"--test-fraction must be in [0, 1), got {test_fraction}.")
    if not 0 <= seed < 2**32:
        raise OptionError(f"--random-state must be a whole number from 0 to 2**32 - 1, got {seed}.")


def outputs(model_path: Path, *, force: bool) -> dict[str, Path]:
    """Return what will be written, by what it is; OutputError where something is in the way."""
    from diabolo.model import file as modelfile
    from diabolo.storage import files

    model_path = modelfile.with_suffix(model_path)
    pictures = {name: model_path.with_name(f"{model_path.stem}-{name}.png") for name in ("reconstructions", "training")}
    paths = {"model": model_path} | pictures
    for path in paths.values():
        files.refuse_existing(path, force=force)
    return paths


def read_judged(
    data: str,
    data_dir: Path | None,
    how: "Reading",
    limit: int,
    batch_size: int,
    test_fraction: float,
    seed: int,
    *,
    series: bool,
) -> tuple[str, "Split"]:
    """Return what the rows are called, and rows to train on and to judge by."""
    from diabolo.data import memory
    from diabolo.data.memory import COPIES_IN_TRAINING
    from diabolo.data.opening import open_rows
    from diabolo.data.readers import scipy_files
    from diabolo.data.splits import hold_back_sparse, hold_back_test
    from diabolo.data.streams import Stream
    from diabolo.data.windows import check_memory
    from diabolo.errors import DataError
    from diabolo.fitting.preparation import as_series

    if scipy_files.is_matrix(data):
        matrix = scipy_files.read(Path(data), limit // COPIES_IN_TRAINING)
        return Path(data).name, hold_back_sparse(matrix, test_fraction, seed, limit=limit)
    source = open_rows(data, limit, data_dir=data_dir, reading=how)
    if series and not isinstance(source, Stream):
        source = as_series(source)
    check_memory(source, limit, batch_size)
    if isinstance(source, Stream):
        if series:
            raise DataError(f"{source.name} is more than memory holds, as series must: raise --memory, or take a part.")
        size = memory.words(source.bytes)
        print(
            f"{source.name}: about {size}, and {COPIES_IN_TRAINING} times that to train on, is more than "
            f"{memory.words(limit)}: read in parts",
            file=sys.stderr,
        )
    return source.name, hold_back_test(source, test_fraction, seed, limit=limit)


def _corrupted(model: "Model", rows: Any) -> Any:
    """Return rows as the network saw such in training, or None where it saw them as they are."""
    import numpy as np

    from diabolo.data.adapters import ArrayAdapter
    from diabolo.network.corruptions import CORRUPTIONS, corrupted
    from diabolo.network.losses import Masked
    from diabolo.network.parts import read_part

    settings, adapter = model.record.settings, model.adapter
    if settings["corruption"] in (None, "auto") or not isinstance(adapter, ArrayAdapter):
        return None
    corruption = read_part("corruption", CORRUPTIONS, settings["corruption"])
    if not corruption.hides:
        return None
    seen = corrupted(corruption, model.loss, adapter.adapt(rows), settings["random_state"], bounded=adapter.bounded)
    restored = adapter.restore(seen)
    if isinstance(model.loss, Masked):
        return np.where(seen[..., model.loss.channels :] == 1, np.nan, restored)
    return restored


def write_results(
    model: "Model", judge: Any, seen: Any, columns: list[dict[str, Any]], paths: dict[str, Path], *, force: bool
) -> dict[str, "Figure"]:
    """Write the model, and then its pictures; nothing before everything is made. Return them. Raises OutputError."""
    from diabolo.report import pictures
    from diabolo.report.columns import ColumnFigures
    from diabolo.storage import files

    if columns:
        reconstructions = pictures.columns([ColumnFigures(**each) for each in columns])
    else:
        reconstructions = pictures.reconstructions(model, judge, seen)
    figures = {"reconstructions": reconstructions, "training": pictures.training(model)}
    _save(model, paths["model"], force=force)  # of the three the one that took a training
    for name, figure in figures.items():
        files.write_atomically(paths[name], partial(pictures.save, figure), force=force)
    return figures


def _save(model: "Model", path: Path, *, force: bool) -> None:
    """Write a model; where that cannot be, elsewhere before the training is lost. Raises OutputError in any case then.

    A disk may be full, or a folder gone, only when a long training has ended.
    """
    import tempfile

    from diabolo.errors import OutputError
    from diabolo.model import file as modelfile

    try:
        modelfile.save(model, path, force=force)
    except OutputError as error:
        try:
            spare = Path(tempfile.mkdtemp(prefix="diabolo-"))
        except OSError:  # no room there either
            raise error from None
        try:
            kept = modelfile.save(model, spare / path.name)
        except OutputError:
            spare.rmdir()
            raise error from None
        raise OutputError(f"{error} The model is kept as {kept}.") from error


def _preset(name: str | None) -> dict[str, Any]:
    from diabolo.errors import OptionError, unknown
    from diabolo.network.presets import PRESETS

    if name is None:
        return {}
    if name not in PRESETS:
        raise OptionError(unknown("preset", name, PRESETS))
    return PRESETS[name].settings


def show_results(
    summary: Any, record: Any, written: dict[str, str], findings: Sequence[Any], reason: str | None = None
) -> None:
    """Print how good a model is, what was noticed and what was written."""
    from diabolo.cli.show import count, facts, print_tables

    held = f", {summary.validation_rows:,} for validation" if summary.validation_rows else ""
    judged = (
        f", {summary.test_rows:,} to judge by" if summary.test_rows else ", judged on the same: too few to hold back"
    )
    about = {
        "rows": f"{summary.rows:,} trained on{held}{judged}",
        "latent": f"{count(summary.latent_dim, 'number')} for {summary.features:,}, 1 : {summary.compression:.3g}",
        "weights": f"{summary.weights:,}",
        "loss": f"{summary.reconstruction_loss}: {record.loss_reason}",
        **({} if reason is None else {"optimizer": reason}),
        "epochs": f"{summary.epochs}, best {summary.best_epoch}",
        "seconds": f"{summary.seconds:.1f}",
    }
    _, pca, _ = summary.errors
    of = "a column" if summary.columns else ""
    tables = [_errors(f"error of {summary.judged_on} rows", summary.errors, pca, of)]
    if summary.columns:
        tables += ["", _columns(summary.columns)]
    if summary.seen_errors:
        through = summary.seen_errors
        lines = {"this model": through["model"], pca: through["pca"], "the rows as seen": through["rows"]}
        tables += ["", _errors("seen corrupted, as in training", lines, pca)]
    paths = [f"{what:16}{path}" for what, path in written.items()]
    noticed = ["", "noticed", *(f"- {finding}" for finding in findings)] if findings else []
    unit = [f"a feature, {summary.unit}"] if not summary.columns else []
    print_tables(facts(about), "", *tables, *unit, *noticed, "", *paths)


COLUMNS = 20  # that are shown


def _columns(columns: list[dict[str, Any]]) -> Any:
    """Return a table of how well the columns come back, the worst first."""
    from diabolo.cli.show import table
    from diabolo.report.columns import ColumnFigures

    figures = sorted((ColumnFigures(**each) for each in columns), key=lambda each: each.left, reverse=True)
    result = table(header=True)
    result.add_column("column")
    result.add_column("kind", no_wrap=True)
    for head in ("this model", "PCA", "a constant"):
        result.add_column(head, justify="right", no_wrap=True)
    result.add_column("", no_wrap=True)
    for each in figures[:COLUMNS]:
        shown = [f"{value:.1%}" if each.measure == "right" else f"{value:.3f}" for value in _values(each)]
        measure = "of cells right" if each.measure == "right" else "of 1 explained"
        result.add_row(each.name, each.kind, *shown, measure)
    if len(figures) > COLUMNS:
        result.add_row(f"and {len(figures) - COLUMNS} more that come back better")
    return result


def _values(figures: Any) -> tuple[float, float, float]:
    return figures.model, figures.pca, figures.guess


def _errors(title: str, errors: dict[str, float], yardstick: str, of: str = "") -> Any:
    """Return a table of errors, with their share of the yardstick's and as bars; the first is ours."""
    from diabolo.cli.show import bar, table

    result = table(header=True)
    result.add_column(title, no_wrap=True)
    result.add_column(f"left, {of}" if of else "mean square", justify="right")
    result.add_column("of PCA's", justify="right")
    result.add_column(no_wrap=True)
    longest = max(errors.values()) or 1.0
    # Where PCA is perfect but for rounding, a share of its error would say nothing.
    comparable = errors[yardstick] > 1e-9 * longest
    for place, (name, error) in enumerate(errors.items()):
        share = f"{error / errors[yardstick]:.2f}" if comparable else ""
        style = "" if place else "bold"
        result.add_row(name, f"{error:.5f}", share, bar(max(1, round(30 * error / longest))), style=style)
    return result

"""`diabolo fit DATA`: train, judge, save, draw."""

import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from diabolo.cli.options import Data, DataDir, Force, Json, stem

if TYPE_CHECKING:
    from diabolo.data.splits import Judged
    from diabolo.inference import Model


def fit(
    data: Data,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Model file to write; the pictures stand beside it. Default: DATA.safetensors"
        ),
    ] = None,
    latent_dim: Annotated[
        int | None,
        typer.Option(
            "--latent", "--latent-dim", "-l", help="Numbers in a latent. Default: 32, or a quarter of the features."
        ),
    ] = None,
    structure: Annotated[
        str, typer.Option(help="dense, or sizes from the features to the latent: 784-256-128.")
    ] = "dense",
    activation: Annotated[str, typer.Option(help="Of the hidden layers: elu, relu, gelu, silu, tanh, ...")] = "elu",
    bottleneck_activation: Annotated[str, typer.Option(help="Of the latent.")] = "linear",
    reconstruction_loss: Annotated[
        str, typer.Option(help="bernoulli, gaussian, or auto: chosen from the data.")
    ] = "auto",
    optimizer: Annotated[str, typer.Option(help="adam, adamw, nadam, rmsprop, adamax, lion or sgd.")] = "adam",
    learning_rate: Annotated[
        float | None, typer.Option(help="At the start. Default: what suits the optimizer; 0.001 for Adam.")
    ] = None,
    learning_rate_schedule: Annotated[str, typer.Option(help="cosine (down to 0) or constant.")] = "cosine",
    epochs: Annotated[int, typer.Option(help="At most so many passes over the rows.")] = 50,
    batch_size: Annotated[int, typer.Option(help="Rows a step.")] = 64,
    validation_fraction: Annotated[
        float, typer.Option(help="Share of the training rows held back to tell the best epoch.")
    ] = 0.1,
    patience: Annotated[
        int, typer.Option(help="Epochs without a better validation loss before training ends; 0: never.")
    ] = 10,
    test_fraction: Annotated[
        float, typer.Option(help="Share of the rows held back to judge by, where the data has no test part.")
    ] = 0.1,
    allow_overcomplete: Annotated[
        bool, typer.Option("--allow-overcomplete", help="Accept as many latents as features, or more.")
    ] = False,
    random_state: Annotated[
        int,
        typer.Option(help="The seed. One command gives one file, bit for bit; rows read in parts: under one --memory."),
    ] = 0,
    memory: Annotated[
        str | None,
        typer.Option(
            help="What rows may take, such as 2GB; more are read in parts, again for every epoch. Default: a quarter "
            "of what is free."
        ),
    ] = None,
    data_dir: DataDir = None,
    json: Json = False,
    force: Force = False,
) -> None:
    """Train an auto-encoder on DATA; write the model and two pictures; show how good it is.

    Rows are judged that training never saw: the test part of a data set, or a share of the rows held back.
    """
    started = time.perf_counter()
    paths = _outputs(output or Path(f"{stem(data)}.safetensors"), force=force)

    from diabolo.autoencoder import Autoencoder
    from diabolo.data.memory import limit
    from diabolo.errors import OptionError
    from diabolo.report.summary import summarise
    from diabolo.training.progress import shown

    if not 0 <= test_fraction < 1:
        raise OptionError(f"--test-fraction must be in [0, 1), got {test_fraction}.")
    if not 0 <= random_state < 2**32:
        raise OptionError(f"--random-state must be a whole number from 0 to 2**32 - 1, got {random_state}.")
    at_most = limit(memory)
    name, rows = _read(data, data_dir, at_most, batch_size, test_fraction, random_state)
    estimator = Autoencoder(
        latent_dim,
        structure=structure,
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
    )
    with shown() as report:
        model = estimator.fit(rows.train, report=report, source=name, also=rows.test).model_
    judge, judged_on = (rows.sample, "training") if rows.test is None else (rows.test, "test")
    summary = summarise(
        model,
        rows.sample,
        judge,
        judged_on=judged_on,
        test_rows=0 if rows.test is None else len(rows.test),
        seconds=time.perf_counter() - started,
    )
    _write(model, judge, paths, force=force)
    written = {what: str(path) for what, path in paths.items()}
    if json:
        import json as writer

        print(writer.dumps(summary.to_config() | {"written": written, "random_state": random_state}))
    else:
        _show(summary, model.record, written)


def _outputs(model_path: Path, *, force: bool) -> dict[str, Path]:
    """Return what will be written, by what it is; OutputError where something is in the way."""
    from diabolo import files, modelfile

    model_path = modelfile.with_suffix(model_path)
    pictures = {name: model_path.with_name(f"{model_path.stem}-{name}.png") for name in ("reconstructions", "training")}
    paths = {"model": model_path} | pictures
    for path in paths.values():
        files.refuse_existing(path, force=force)
    return paths


def _read(
    data: str, data_dir: Path | None, limit: int, batch_size: int, test_fraction: float, seed: int
) -> tuple[str, "Judged"]:
    """Return what the rows are called, and rows to train on and to judge by."""
    from diabolo.data import memory
    from diabolo.data.splits import hold_back_test
    from diabolo.data.streams import COPIES, Stream, open_rows
    from diabolo.data.windows import check_memory

    source = open_rows(data, limit, data_dir=data_dir)
    check_memory(source, limit, batch_size)
    if isinstance(source, Stream):
        size = memory.words(source.bytes)
        print(
            f"{source.name}: about {size}, and {COPIES} times that to train on, is more than {memory.words(limit)}: "
            f"read in parts",
            file=sys.stderr,
        )
    return source.name, hold_back_test(source, test_fraction, seed, limit=limit)


def _write(model: "Model", judge: Any, paths: dict[str, Path], *, force: bool) -> None:
    from diabolo import files, modelfile
    from diabolo.report import pictures

    # Nothing is written before everything is made.
    figures = {"reconstructions": pictures.reconstructions(model, judge), "training": pictures.training(model)}
    for name, figure in figures.items():
        files.write_atomically(paths[name], partial(pictures.save, figure))
    modelfile.save(model, paths["model"], force=force)


def _show(summary: Any, record: Any, written: dict[str, str]) -> None:
    from diabolo.cli.show import bar, count, facts, print_tables, table

    held = f", {summary.validation_rows:,} for validation" if summary.validation_rows else ""
    judged = (
        f", {summary.test_rows:,} to judge by" if summary.test_rows else ", judged on the same: too few to hold back"
    )
    about = {
        "rows": f"{summary.rows:,} trained on{held}{judged}",
        "latent": f"{count(summary.latent_dim, 'number')} for {summary.features:,}, 1 : {summary.compression:.3g}",
        "weights": f"{summary.weights:,}",
        "loss": f"{summary.reconstruction_loss}: {record.loss_reason}",
        "epochs": f"{summary.epochs}, best {summary.best_epoch}",
        "seconds": f"{summary.seconds:.1f}",
    }
    errors = table(header=True)
    errors.add_column(f"error of {summary.judged_on} rows", no_wrap=True)
    errors.add_column("mean square", justify="right")
    errors.add_column("of PCA's", justify="right")
    errors.add_column(no_wrap=True)
    longest = max(summary.error, summary.pca_error, summary.mean_row_error) or 1.0
    # Where PCA is perfect but for rounding, a share of its error would say nothing.
    comparable = summary.pca_error > 1e-9 * summary.mean_row_error
    for name, error, style in (
        ("this model", summary.error, "bold"),
        (f"PCA, {count(summary.pca_components, 'component')}", summary.pca_error, ""),
        ("the mean row", summary.mean_row_error, ""),
    ):
        share = f"{error / summary.pca_error:.2f}" if comparable else ""
        errors.add_row(name, f"{error:.5f}", share, bar(max(1, round(30 * error / longest))), style=style)
    paths = [f"{what:16}{path}" for what, path in written.items()]
    print_tables(facts(about), "", errors, f"a feature, {summary.unit}", "", *paths)

"""`diabolo fit DATA`: train, evaluate, save, draw."""

import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from diabolo.cli.options import Data, DataDir, Force, Json, as_json, check_data, check_settings, reads, stem, trains
from diabolo.cli.results import Results, outputs, save_model

if TYPE_CHECKING:
    from diabolo.data.tables import Reading
    from diabolo.errors import DivergedError


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


ModelOutput = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="Model file to write, with two pictures next to it. Default: DATA.safetensors"),
]
PresetName = Annotated[
    str | None, typer.Option(help="A name for a set of settings: vae, denoising, ...; --list-presets shows them.")
]
ListPresets = Annotated[
    bool, typer.Option("--list-presets", callback=_list_presets, is_eager=True, help="Show the presets and end.")
]
TestFraction = Annotated[
    float, typer.Option(help="Fraction of the rows held back to evaluate on, where the data has no test part.")
]
RunFolder = Annotated[
    Path | None,
    typer.Option(help="Folder in which the state of the training is kept: --resume continues from there."),
]
Resume = Annotated[bool, typer.Option("--resume", help="Continue the training in the folder of --run.")]


@reads()
@trains(unset=("structure", "bottleneck", "corruption", "penalty"), random_state=0)
def fit(
    *,
    how: "Reading",
    settings: dict[str, Any],
    data: Data,
    output: ModelOutput = None,
    preset: PresetName = None,
    list_presets: ListPresets = False,
    test_fraction: TestFraction = 0.1,
    run: RunFolder = None,
    resume: Resume = False,
    data_dir: DataDir = None,
    json: Json = False,
    force: Force = False,
) -> None:
    """Train an auto-encoder on DATA; write the model and two pictures; show how good it is.

    The model is evaluated on rows that were not used for training: the test part of a data set, or a fraction of the
    rows that is held back.
    """
    started = time.perf_counter()

    from diabolo import fitting
    from diabolo.data.memory import limit
    from diabolo.errors import DivergedError, OptionError
    from diabolo.fitting.evaluation import check_fraction, open_divided
    from diabolo.model.settings import AUTO
    from diabolo.training.progress import display
    from diabolo.training.runs import Run

    check_fraction(test_fraction)
    if resume and run is None:
        raise OptionError("resume=True (--resume) needs the folder of the run: give run (--run) as well.")
    settings = _preset(preset) | settings | how.as_settings() | {"memory": limit(settings["memory"])}
    checked = check_settings(settings)
    check_data(data, how, data_dir, series=checked.series)
    paths = outputs(output or Path(f"{stem(data)}.safetensors"), force=force)
    opened = open_divided(data, checked, reading=how, data_dir=data_dir, test_fraction=test_fraction)
    for line in (opened.streamed, opened.missing):
        if line is not None:
            print(line, file=sys.stderr)
    if checked.latent_dim == AUTO:
        print("latents: counted by two short trainings first", file=sys.stderr)
    rows = opened.rows
    try:
        with nullcontext() if run is None else Run(run, resume=resume) as kept, display() as report:
            train = rows.train if rows.source is None else rows.source
            plan = fitting.plan(train, checked, evaluation_rows=rows.test, run=kept)
            fitted = fitting.fit(plan.prepared, plan.settings, report=report, run=kept, source=opened.name)
    except DivergedError as error:
        _keep_last_model(error, paths["model"], force=force)
        raise
    results = Results(fitted.model, rows, time.perf_counter() - started, corrupt=True)
    reason = plan.optimizer_reason
    results.write(paths, force=force)
    if json:
        print(as_json(results.to_config() | {"optimizer_reason": reason, "random_state": checked.seed}))
    else:
        results.show(reason)


def _preset(name: str | None) -> dict[str, Any]:
    from diabolo.errors import OptionError, unknown
    from diabolo.network.presets import PRESETS

    if name is None:
        return {}
    if name not in PRESETS:
        raise OptionError(unknown("preset", name, PRESETS))
    return PRESETS[name].settings


def _keep_last_model(error: "DivergedError", path: Path, *, force: bool) -> None:
    """Write the model of the epochs before a training diverged, and say in the error where it is."""
    from diabolo.errors import OutputError

    if error.model is None:
        return
    try:
        save_model(error.model, path, force=force)
        where = f"The model of epoch {error.model.record.best_epoch} is in {path}."
    except OutputError as lost:
        where = str(lost)
    error.args = (f"{error} {where}",)

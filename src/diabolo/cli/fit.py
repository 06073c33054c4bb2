"""`diabolo fit DATA`: train, evaluate, save, draw."""

import sys
import time
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from diabolo.cli.checks import check_data, check_settings
from diabolo.cli.machines import Machines, trains_on_machines
from diabolo.cli.options import Data, DataDir, Force, Json, trains
from diabolo.cli.reading import READING, reads
from diabolo.cli.results import Results, outputs, save_model
from diabolo.cli.writing import as_json, stem

if TYPE_CHECKING:
    from diabolo.data.tables import Reading
    from diabolo.errors import DivergedError
    from diabolo.model.settings import Settings
    from diabolo.training.runs import About


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
# What a run remembers of its command line besides the settings, so that --resume needs DATA and --run alone: what
# decides which rows it trains on, by name, with the default; and where files are.
TEST_FRACTION = 0.1
OF_ROWS = {"test_fraction": TEST_FRACTION} | {name: default for name, (_, default) in READING.items()}
REMEMBERED = (*OF_ROWS, "data_dir", "output", "pictures", "page")


def _recall(context: typer.Context, param: typer.CallbackParam, value: Any) -> Any:
    """Make the options that a run was begun with the defaults of the command that continues it."""
    given = context.params | {param.name: value}
    if given.get("resume") and given.get("run") is not None:
        from diabolo.errors import CheckpointError
        from diabolo.training import runs

        with suppress(CheckpointError):  # which the command raises
            context.default_map = runs.begun(given["run"]).get("options")
    return value


Pictures = Annotated[
    bool,
    typer.Option("--pictures/--no-pictures", help="Whether to draw reconstructions and the course of the training."),
]
WithReport = Annotated[
    bool, typer.Option("--report", help="Write a page as well, DATA-report.html: see diabolo report.")
]
RunFolder = Annotated[
    Path | None,
    typer.Option(
        callback=_recall,
        is_eager=True,
        help="Folder in which the state of the training is kept: --resume continues from there.",
    ),
]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume",
        callback=_recall,
        is_eager=True,
        help="Continue the training in the folder of --run, with the options that it was begun with; with larger "
        "--epochs also one that has ended.",
    ),
]


@reads()
@trains_on_machines()
@trains(unset=("structure", "bottleneck", "corruption", "penalty"), by_tensorflow=False, random_state=0)
def fit(
    *,
    context: typer.Context,
    how: "Reading",
    settings: dict[str, Any],
    machines: Machines,
    data: Data,
    output: ModelOutput = None,
    preset: PresetName = None,
    list_presets: ListPresets = False,
    test_fraction: TestFraction = TEST_FRACTION,
    pictures: Pictures = True,
    page: WithReport = False,
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
    from diabolo.training import runs
    from diabolo.training.progress import display
    from diabolo.training.runs import Run

    check_fraction(test_fraction)
    if resume and run is None:
        raise OptionError("resume=True (--resume) needs the folder of the run: give run (--run) as well.")
    typed = {name for name in context.params if _typed(context, name)}
    before = runs.begun(run) if resume and run is not None else None
    settings = settings | how.as_settings() | {"memory": limit(settings["memory"])}
    if before is None:
        checked = check_settings(_preset(preset) | settings)
    else:
        checked = _resumed(context, typed, settings, preset, before, run)
    if machines.cluster is None:
        fitting.check_installed(checked)
    check_data(data, how, data_dir, series=checked.series)
    replaced = set[Path]() if before is None else runs.own_files(before)
    paths = outputs(
        output or Path(f"{stem(data)}.safetensors"), force=force, replaced=replaced, pictures=pictures, report=page
    )
    force = force or not replaced.isdisjoint(path.resolve() for path in paths.values())
    opened = open_divided(data, checked, reading=how, data_dir=data_dir, test_fraction=test_fraction)
    counted = "latents: counted by two short trainings first" if checked.latent_dim == AUTO and before is None else None
    for line in filter(None, (opened.streamed, opened.missing, counted)):
        print(line, file=sys.stderr)
    options = {name: _plain(context.params[name]) for name in REMEMBERED if name in typed}
    with (
        machines.engine() as engine,
        nullcontext() if run is None else Run(run, resume=resume, options=options) as kept,
    ):
        try:
            with display() as report:
                rows = opened.rows
                train = rows.train if rows.source is None else rows.source
                plan = fitting.plan(train, checked, evaluation_rows=rows.test, run=kept)
                fitted = fitting.fit(
                    plan.prepared, plan.settings, engine=engine, report=report, run=kept, source=opened.name
                )
        except DivergedError as error:
            _keep_last_model(error, paths["model"], force=force)
            raise
        results = Results(fitted.model, rows, time.perf_counter() - started, corrupt=True)
        results.write(paths, force=force)
        if page:
            results.write_page(paths["report"], force=force, data=data, data_dir=data_dir)
        if kept is not None:
            kept.wrote(paths.values())
    if json:
        chosen = {"optimizer_reason": plan.optimizer_reason, "random_state": checked.seed}
        print(as_json(results.to_config() | chosen))
    else:
        results.show(plan.optimizer_reason)


def _resumed(
    context: typer.Context,
    typed: set[str],
    settings: dict[str, Any],
    preset: str | None,
    about: "About",
    run: Path | None,
) -> "Settings":
    """Return the settings of a run that goes on. Args: typed: names of the options on the command line."""
    from diabolo import fitting
    from diabolo.data.memory import limit

    _refuse_other_options(context, typed, about, run)
    given = {name: settings[name] for name in typed & settings.keys()}
    checked = fitting.resumed(_preset(preset) | given, about, str(run))
    return checked.changed(memory=limit(checked.memory))


def _refuse_other_options(context: typer.Context, typed: set[str], about: "About", run: Path | None) -> None:
    """Raise CheckpointError for an option on the command line that makes the rows others than those of the run."""
    from diabolo.errors import CheckpointError

    if "options" not in about:  # begun in Python
        return
    for name in (name for name in OF_ROWS if name in typed):
        before, now = about["options"].get(name, OF_ROWS[name]), context.params[name]
        if before != now:
            option = f"--{name.replace('_', '-')}"
            was = f"without {option}" if before == OF_ROWS[name] else f"with {option} {before!s:.60}"
            raise CheckpointError(
                f"{run} was begun {was}: leave {option} out to continue, or choose another folder for --run."
            )


def _typed(context: typer.Context, name: str) -> bool:
    """Return whether an option stands on the command line."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _plain(value: object) -> object:
    return str(value) if isinstance(value, Path) else value


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

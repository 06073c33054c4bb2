"""`diabolo bulk VERB MODEL PARTS... --output FOLDER`: many files through one model, on one machine or on a cluster."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from diabolo.cli import process
from diabolo.cli.options import Cluster, Json, Keep, Workers, names
from diabolo.cli.reading import OF_PICTURES, OF_TEXT_TABLES, reads

if TYPE_CHECKING:
    from diabolo.cluster.bulk import Progress
    from diabolo.data.tables import Reading

LINE_SECONDS = 30.0  # between two lines of progress in a file; in a terminal one line changes
TICK_SECONDS = 0.2

Parts = Annotated[
    list[str],
    typer.Argument(
        metavar="PARTS...",
        help="Files, folders or patterns ('parts/*.parquet'), also s3://bucket/parts/*.parquet and other addresses of "
        "fsspec. One file of results is made for each file.",
    ),
]
Folder = Annotated[
    str, typer.Option("--output", "-o", metavar="FOLDER", help="Folder of the results; or an address, s3://bucket/out.")
]
Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="npy|parquet|csv|...",
        help="Format of the results. Default: parquet where columns have names and kinds, otherwise npy.",
    ),
]


@reads(*OF_TEXT_TABLES, *OF_PICTURES)
def bulk(
    *,
    how: "Reading",
    verb: Annotated[str, typer.Argument(metavar="VERB", help="encode, decode, reconstruct or score.")],
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model file, as `diabolo fit` writes it.")],
    parts: Parts,
    output: Folder,
    form: Format = None,
    keep: Keep = None,
    condition: Annotated[
        str | None,
        typer.Option(metavar="NAME=VALUE,...", help="For decode: what all rows are decoded with, such as site=B."),
    ] = None,
    codes: Annotated[
        bool, typer.Option("--codes", help="For encode with a quantized model: the numbers of the codes.")
    ] = False,
    fill: Annotated[
        bool, typer.Option("--fill", help="For reconstruct: fill in missing cells and keep all others.")
    ] = False,
    cluster: Cluster = None,
    workers: Workers = None,
    force: Annotated[
        bool, typer.Option("--force", help="Make results again whose part, model or options have changed.")
    ] = False,
    json: Json = False,
) -> None:
    """Encode, decode, reconstruct or score many files: one file of results for each. Needs no TensorFlow.

    What the folder has already is skipped: after Ctrl-C, a power cut or an error, the same command makes the rest.
    manifest.json there lists each file with its rows and SHA-256.
    """
    from diabolo.cli.show import count
    from diabolo.cli.writing import as_json
    from diabolo.cluster.bulk import run
    from diabolo.cluster.parts import Job
    from diabolo.model import condition as conditions

    line = _Line()
    job = Job(
        folder=output,
        verb=verb,
        codes=codes,
        fill=fill,
        keep=names(keep),
        condition=None if condition is None else conditions.texts(names(condition)),
        how=how,
        ending="" if form is None else f".{form.removeprefix('.').lower()}",
    )
    try:
        result = run(
            model,
            job,
            [Path(each) if "://" not in each else each for each in parts],
            cluster=cluster,
            workers=workers,
            force=force,
            report=line.show,
            say=line.say,
        )
    finally:
        line.end()
    if json:
        print(as_json(result._asdict() | {"manifest": result.manifest}))
    else:
        made = f"{count(result.new_rows, 'row')} in {count(result.done, 'new file')}"
        skipped = f", {count(result.skipped, 'file')} skipped" if result.skipped else ""
        print(f"{result.folder.rstrip('/')}/: {made}{skipped}, {result.seconds:.1f} s")
    result.check()


class _Line:
    """The progress on standard error: one line that changes in a terminal, a line now and then in a file."""

    def __init__(self) -> None:
        self._live = sys.stderr is not None and sys.stderr.isatty()
        self._drawn, self._shown = "", 0.0 if self._live else time.monotonic()

    def show(self, progress: "Progress") -> None:
        """Show the progress, and the error of a part at once."""
        if progress.error:
            named = progress.error.startswith(progress.part)
            self.say(progress.error if named else f"{progress.part}: {progress.error}")
        now, ended = time.monotonic(), progress.done + progress.failed + progress.skipped
        if now - self._shown < (TICK_SECONDS if self._live else LINE_SECONDS) and ended < progress.parts:
            return
        self._shown = now
        words = [f"{ended:,} of {progress.parts:,} parts", f"{progress.rows_per_second:,.0f} rows/s"]
        words += [f"{number:,} {what}" for what in ("skipped", "failed") if (number := getattr(progress, what))]
        self._write(", ".join(words))

    def say(self, note: str) -> None:
        """Print a note above the line."""
        drawn = self._drawn
        self.end(clear=True)
        process.say(note)
        if drawn:
            self._write(drawn)

    def _write(self, text: str) -> None:
        if not self._live:
            process.say(text)
            return
        print(f"\r{text.ljust(len(self._drawn))}", end="", file=sys.stderr, flush=True)
        self._drawn = text

    def end(self, *, clear: bool = False) -> None:
        """Leave the line. Args: clear: for another text."""
        if self._drawn:
            print(f"\r{' ' * len(self._drawn)}\r" if clear else "", end="" if clear else "\n", file=sys.stderr)
        self._drawn = ""

"""`diabolo score [MODEL] DATA`: the anomaly score of each row, and the cells that cause the highest ones."""

import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple, TextIO

import typer

from diabolo.cli.checks import check_data, check_swapped
from diabolo.cli.options import DataDir, Force, Keep, Output, names
from diabolo.cli.reading import reads
from diabolo.cli.rows import write_rows

if TYPE_CHECKING:
    from diabolo.data.long_table.labels import Labels
    from diabolo.data.tables import Reading
    from diabolo.model.model import Model
    from diabolo.typing import Float64Array, Rows

CELLS = 3  # named for each row

Save = Annotated[
    Path | None,
    typer.Option("--save", metavar="MODEL", help="Where no MODEL is given: a model file to keep the detector in."),
]
Top = Annotated[int, typer.Option(help="Show this many of the most anomalous rows, and the cells that make them so.")]


@reads()
def score(
    *,
    how: "Reading",
    model: Annotated[
        str, typer.Argument(metavar="[MODEL]", help="A model file; leave it out to fit a detector to DATA.")
    ],
    data: Annotated[
        str | None, typer.Argument(metavar="DATA", help="As for fit: a data set, a file, a folder, a pattern, or -.")
    ] = None,
    output: Output = None,
    save: Save = None,
    top: Top = 0,
    keep: Keep = None,
    data_dir: DataDir = None,
    force: Force = False,
) -> None:
    """Write the anomaly score of each row of DATA. Default: DATA-scores.npy.

    Write `diabolo score DATA` or `diabolo score MODEL DATA`. With DATA alone, an anomaly detector is fitted to DATA and
    each row is compared with the others; --save keeps the detector, to score other rows with it. With a MODEL of
    `diabolo fit` the score is the reconstruction loss, in nats.

    With a MODEL of windows of a long table DATA may be such a table: it is cut in the same way, and DATA-scores.csv
    has a score for each of its rows: the squared error, in variances of the channels.
    """
    from diabolo.cli import moments
    from diabolo.data.frames import Cells
    from diabolo.data.long_table.files import read_labels
    from diabolo.data.readers import images
    from diabolo.errors import OptionError

    if top < 0:
        raise OptionError(f"--top must be at least 0, got {top}.")
    path, rows = (None, model) if data is None else (Path(model), data)
    check_swapped(path, rows)
    if path is not None and save is not None:
        raise OptionError(
            f"--save keeps a detector that is fitted to DATA, but {path} is given: leave one of them out."
        )
    how = _skips_once(how)
    if path is not None:
        trained = _model(path)
        if moments.are_asked(trained.model, rows):
            moments.score_moments(
                trained.model,
                rows,
                output=output,
                keep=keep,
                top=top,
                how=how,
                data_dir=data_dir,
                force=force,
            )
            return
    scorer = _detector(rows, data_dir, how, names(keep), output, save, force=force) if path is None else trained
    highest = Highest(scorer, top)
    files = write_rows(
        scorer.model,
        rows,
        lambda trained: highest.verb,
        output=output,
        ending="scores",
        name="score",
        keep=keep,
        spare=how.drop,
        # A detector that was fitted to DATA knows its columns.
        how=how if path is not None else how._replace(types={}, drop=(), strict=False, cells=Cells()),
        data_dir=data_dir,
        force=force,
    )
    if top:
        folder, out = images.root(rows) or Path(), sys.stderr if str(output) == "-" else sys.stdout
        highest.show(out, [folder / str(file) for file in files], read_labels(Path(rows)))


def _skips_once(how: "Reading") -> "Reading":
    """Return how files are read, with each picture that is left out listed once: to fit and to score reads twice."""
    left_out, say = set[Path](), how.pictures.skip_bad
    if say is None:
        return how

    def skipped(file: Path, reason: str) -> None:
        if file not in left_out:
            say(file, reason)
        left_out.add(file)

    return how._replace(pictures=how.pictures._replace(skip_bad=skipped))


class Scorer:
    """A model with two functions: the scores of rows, and the scale of the scores of their columns."""

    def __init__(
        self, model: "Model", score: "Callable[[Rows], Float64Array]", scale: "Callable[[Float64Array], Float64Array]"
    ) -> None:
        self.model, self.score, self.scale = model, score, scale


def _model(path: Path) -> Scorer:
    from diabolo.anomaly import scoring
    from diabolo.model import file as modelfile

    trained = modelfile.load(path)
    if trained.detection is None:
        return Scorer(trained, trained.loss_per_row, lambda scores: scores)
    return Scorer(
        trained, partial(scoring.score, trained, trained.detection), partial(scoring.scaled, trained.detection)
    )


def _detector(
    data: str,
    data_dir: Path | None,
    how: "Reading",
    keep: tuple[str, ...],
    output: Path | None,
    save: Path | None,
    *,
    force: bool,
) -> Scorer:
    from diabolo.anomaly import scoring
    from diabolo.anomaly.detector import AnomalyDetector
    from diabolo.data import memory, sinks
    from diabolo.data.opening import open_rows
    from diabolo.data.streams import Stream
    from diabolo.errors import OptionError
    from diabolo.model.file import with_suffix
    from diabolo.storage.files import refuse_existing

    if Path(data).suffix == ".safetensors":
        raise OptionError(f"{data} is a model, and the rows are missing: write diabolo score {data} DATA.")
    if data == "-":
        raise OptionError("standard input can be read once: fit a model first, and score with it.")
    check_data(data, how, data_dir, keep=keep)
    save = None if save is None else with_suffix(save)
    if output is not None:
        sinks.check(output, force=force)
    if save is not None:
        refuse_existing(save, force=force)
    opened = open_rows(data, memory.limit(None), data_dir=data_dir, reading=how)
    whole = opened if isinstance(opened, Stream) else opened._replace(rows=opened.everything, test=None)
    detector = AnomalyDetector(random_state=0, verbose="auto").fit(whole)
    if save is not None:
        print(f"model written to {detector.save(save, force=force)}", file=sys.stderr)
    detection = detector.model.detection
    assert detection is not None, "every fitted detector has one"
    return Scorer(detector.model, detector.score_rows, partial(scoring.scaled, detection))


class _Row(NamedTuple):
    """A row with its score."""

    score: float
    number: int  # of the row, counted over all files
    values: "Rows"  # (*row_shape)


class Highest:
    """The rows with the highest scores so far, collected while all are scored."""

    def __init__(self, scorer: Scorer, count: int) -> None:
        self._scorer, self._count, self._seen = scorer, count, 0
        self._rows: list[_Row] = []

    def verb(self, rows: "Rows", *, where: str, first_row: int) -> "Float64Array":
        """Return the scores of rows, as a verb of a model does."""
        checked = self._scorer.model.checked(rows, where=where, first_row=first_row)
        scores = self._scorer.score(checked)
        for at in (-scores).argsort(kind="stable")[: self._count].tolist():
            # A copy, so that the chunk of the row can be freed.
            self._rows.append(_Row(float(scores[at]), self._seen + at, checked[at].copy()))
        self._seen += len(scores)
        self._rows.sort(key=lambda each: -each.score)
        del self._rows[self._count :]
        return scores

    def show(self, file: TextIO, names: Sequence[Path] = (), labels: "Labels | None" = None) -> None:
        """Print the rows with the highest scores, and the cells that cause them.

        Args: names: of the pictures, where rows are pictures; labels: of windows, where rows are windows.
        """
        import numpy as np

        from diabolo.anomaly.explain import by_column
        from diabolo.cli.show import print_tables, table

        model = self._scorer.model
        rows = np.stack([each.values for each in self._rows])
        found = by_column(model, rows)
        scores = self._scorer.scale(found.scores)
        numbers = [each.number for each in self._rows]
        labels = None if labels is None else labels.take(np.array(numbers, np.int64))
        cells, expected = _cells(model, rows), _cells(model, found.expected.reshape(rows.shape))
        result = table(header=True)
        heads = (
            "file" if names else "row" if labels is None else "window",
            "score",
            "cells that cause it (expected value)",
        )
        for head in heads:
            result.add_column(
                head, justify="right" if head in ("row", "score") else "left", no_wrap=head in ("row", "window")
            )
        for at, (score, number, _) in enumerate(self._rows):
            columns = [each for each in np.argsort(-scores[at])[:CELLS].tolist() if scores[at, each] > 0]
            texts = [(c, f"{cells.texts[at][c]} ({expected.texts[at][c]})") for c in columns]
            words = [f"{cells.columns[c]}={text}" for c, text in texts]
            row = f"{number:,}"
            if labels is not None:
                words = [_at_its_time(labels, at, c, text) for c, text in texts]
                row = labels.window(at)
            result.add_row(str(names[number]) if names else row, f"{score:.4g}", ", ".join(words))
        print_tables(result, file=file)


def _at_its_time(labels: "Labels", window: int, number: int, text: str) -> str:
    """Return a number of a window, counted over its rows and channels, with the name of its channel and its time."""
    place, channel = divmod(number, len(labels.form.channels))
    return f"{labels.form.channels[channel]}={text} at {labels.moment(window, place)}"


class Cells(NamedTuple):
    """Rows as texts."""

    columns: list[str]  # their names
    texts: list[list[str]]  # for each row the text of each column


def _cells(model: "Model", rows: "Rows") -> Cells:
    import numpy as np

    from diabolo.data import frames

    flat = rows.reshape(len(rows), -1)
    if model.schema is None:
        if model.series is not None:
            return Cells(model.series.names, [[f"{value:.4g}" for value in row] for row in flat])
        places: Iterable[tuple[int, ...]] = np.ndindex(*rows.shape[1:])
        words = {"image": "pixel {}", "series": "place {0[0]}, channel {0[1]}"}.get(
            model.adapter.kind, "feature {0[0]}"
        )
        names = [words.format(at) for at in places]
        return Cells(names, [[f"{value:.4g}" for value in row] for row in flat])
    frame = frames.write(rows, model.schema, "pyarrow")
    columns = [[_shown(value) for value in column.to_pylist()] for column in frame.columns]
    return Cells(list(frame.column_names), [list(row) for row in zip(*columns, strict=True)])


def _shown(value: object) -> str:
    if value is None:
        return "missing"
    return f"{value:.4g}" if isinstance(value, float) else f"{value!s:.40}"

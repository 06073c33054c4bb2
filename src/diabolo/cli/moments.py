"""`diabolo score MODEL TABLE` for a model of windows: the error of each row of a long table."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from diabolo.cli import process
from diabolo.cli.checks import check_data
from diabolo.cli.options import names
from diabolo.cli.rows import default_output
from diabolo.cli.show import print_tables, table

if TYPE_CHECKING:
    from diabolo.data.long_table.cut import Windows
    from diabolo.data.tables import Reading
    from diabolo.model.model import Model
    from diabolo.model.moments import Moments
    from diabolo.typing import Array, ArrowTable

CHANNELS = 3  # named for each moment


def are_asked(model: "Model", data: str) -> bool:
    """Return whether DATA is a long table, and the model knows how to cut it."""
    from diabolo.data.kinds import is_table_of_rows

    return model.series is not None and is_table_of_rows(data)


def score_moments(
    model: "Model",
    data: str,
    *,
    output: Path | None,
    keep: str | None,
    top: int,
    how: "Reading",
    data_dir: Path | None,
    force: bool,
) -> None:
    """Write the error of each row of a long table, in the order of the table, next to its time and entity."""
    from diabolo.data import sinks
    from diabolo.data.frames import Cells
    from diabolo.data.long_table.cutting import windows_like
    from diabolo.data.opening import open_frame
    from diabolo.model import moments

    kept, form = names(keep), model.series
    assert form is not None, "the caller has asked"
    # Texts are read as they were for `windows`, of which the model knows nothing.
    check_data(data, how._replace(cells=Cells()), data_dir, fitted=True, keep=kept)
    check_data(data, how._replace(types={}, drop=(), strict=False), data_dir)
    path = output or default_output(data, "scores", table=True)
    sinks.check(path, force=force, table=path.suffix not in (".npy", ".npz") or bool(kept))
    frame = open_frame(data, how._replace(types={form.entity: "category"} if form.entity else {}))
    cut = windows_like(frame, form, where=data, how=how.cells._replace(typed=True))
    found = moments.moments(model, cut, where=data)
    scores = cut.at_rows(found.errors)
    out = sys.stderr if str(path) == "-" else sys.stdout
    numbers = path.suffix in (".npy", ".npz") and not kept
    chunk = scores if numbers else _with_scores(frame, (form.entity, cut.time, *kept), scores)
    process.stop_before(path)
    print(sinks.write(path, [chunk], name="score", force=force), file=out)
    print(cut.count.words, file=out)
    if top:
        _show(cut, found, top, out)


def _with_scores(frame: "ArrowTable", wanted: tuple[str, ...], scores: "Array") -> "ArrowTable":
    """Return columns of a table followed by the scores of its rows, null where a row has none."""
    import pyarrow as pa

    from diabolo.errors import DataError, OptionError, unknown

    chosen = list(dict.fromkeys(name for name in wanted if name))
    for name in chosen:
        if name not in frame.column_names:
            raise DataError(unknown("column", name, frame.column_names))
        if name == "score":
            raise OptionError("--keep score: the output has a column of that name itself: leave it out.")
    table = frame.select(chosen)
    return table.append_column("score", pa.array(scores, mask=np.isnan(scores)))


def _show(cut: "Windows", found: "Moments", top: int, out: object) -> None:
    """Print the moments with the highest errors, and the channels that cause them."""
    errors = np.where(np.isnan(found.errors), -np.inf, found.errors)
    highest = [at for at in np.argsort(-errors, kind="stable")[:top].tolist() if np.isfinite(errors[at])]
    places = {number: at for at, number in reversed([*enumerate(cut.moments.reshape(-1).tolist())])}
    result = table(header=True)
    result.add_column(cut.time, no_wrap=True)
    if cut.form.entity:
        result.add_column(cut.form.entity)
    result.add_column("score", justify="right")
    result.add_column("channels that cause it (expected value)")
    for moment in highest:
        window, place = divmod(places[moment], cut.form.window)
        by_channel = np.where(np.isnan(found.by_channel[moment]), 0, found.by_channel[moment])
        chosen = [each for each in np.argsort(-by_channel)[:CHANNELS].tolist() if by_channel[each] > 0]
        words = [
            f"{cut.channels[each]}={found.values[moment, each]:.4g} ({found.expected[moment, each]:.4g})"
            for each in chosen
        ]
        entity = [str(cut.labels.entities[window])] if cut.form.entity else []
        result.add_row(cut.labels.moment(window, place), *entity, f"{errors[moment]:.4g}", ", ".join(words))
    print_tables(result, file=out)  # type: ignore[arg-type]

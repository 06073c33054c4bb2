"""What commands check before they read rows, so that a wrong command ends at once; and DATA opened to train on."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from diabolo.data.tables import Reading
    from diabolo.model.settings import Settings


def check_data(
    data: str,
    how: "Reading | None",
    data_dir: Path | None,
    *,
    series: bool = False,
    fitted: bool = False,
    keep: tuple[str, ...] = (),
) -> None:
    """Raise OptionError or DataError where DATA does not exist, or an option has no effect on it; read no rows.

    Errors in options are reported before errors in outputs, which are checked next.
    """
    from diabolo.data.kinds import named_part, names_data_set
    from diabolo.data.opening import check_options, columns_of, open_source
    from diabolo.data.tables import Reading
    from diabolo.errors import DataError, unknown

    how = how or Reading()
    if data != "-" and not names_data_set(data):
        there = Path(data).exists() or any(mark in data for mark in "*?[") or ".npz:" in data or "://" in data
        there = there or named_part(data) is not None
        if not there:
            open_source(data)  # which says so
    check_options(data, how, data_dir, series=series, fitted=fitted)
    known = columns_of(data, how) if keep else ()
    for name in keep:
        if known and name not in known:
            raise DataError(unknown("column", name, known))


def check_settings(given: Mapping[str, object]) -> "Settings":
    """Return settings, checked as far as is possible before rows are read. Raises OptionError."""
    from diabolo.checks import is_whole
    from diabolo.data.memory import limit
    from diabolo.errors import OptionError
    from diabolo.model.settings import Settings

    seed = given.get("random_state")
    if not is_whole(seed, 0) or int(str(seed)) >= 2**32:
        raise OptionError(f"--random-state must be a whole number from 0 to 2**32 - 1, got {seed}.")
    settings = Settings.of(given).seeded()
    limit(settings.memory)  # which only this can check
    return settings


def check_training(data: str, how: "Reading", settings: Mapping[str, object], data_dir: Path | None) -> None:
    """Raise OptionError or DataError where `to_train_on` would, as far as is possible before rows are read."""
    check_data(data, how, data_dir, series=check_settings(settings).series)


def check_swapped(model: Path | None, data: str) -> None:
    """Raise OptionError where MODEL and DATA are swapped."""
    import shlex

    from diabolo.errors import OptionError
    from diabolo.model.file import SUFFIX

    if model is not None and data.endswith(SUFFIX) and model.suffix != SUFFIX:
        swapped = shlex.join(["diabolo", sys.argv[1], data, str(model)])
        raise OptionError(f"MODEL comes first, and {data} has the name of a model: did you mean {swapped}?")


def to_train_on(
    data: str, how: "Reading", settings: dict[str, Any], data_dir: Path | None
) -> tuple[Any, dict[str, Any]]:
    """Return DATA opened, or its sparse matrix, and the settings of the `Autoencoder` to train on it.

    Raises: as `check_training`, and for what is wrong with the rows.
    """
    check_training(data, how, settings, data_dir)
    from diabolo.data.memory import COPIES_IN_TRAINING, limit
    from diabolo.data.opening import open_rows
    from diabolo.data.readers import scipy_files

    at_most, settings = limit(settings["memory"]), settings | how.as_settings()
    if scipy_files.is_matrix(data):
        return scipy_files.read(Path(data), at_most // COPIES_IN_TRAINING), settings
    return open_rows(data, at_most, data_dir=data_dir, reading=how), settings

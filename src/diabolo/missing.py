"""Parts of Diabolo that are not installed: one line that says what needs which package, and what to type.

`pip install diabolo` brings what using a model needs; reading files, training and databases are extras.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from importlib.util import find_spec
from typing import ParamSpec, TypeVar

from diabolo.errors import MissingExtraError

P = ParamSpec("P")
R = TypeVar("R")

# Modules that are imported somewhere, and the extra that brings them: see pyproject.toml.
EXTRAS: dict[str, str] = {
    **dict.fromkeys(("pyarrow", "narwhals", "scipy", "sklearn", "PIL", "matplotlib", "h5py", "pooch"), "data"),
    **dict.fromkeys(("charset_normalizer", "python_calamine", "threadpoolctl", "xlsxwriter"), "data"),
    **dict.fromkeys(("tensorflow", "keras", "optuna"), "train"),
    "duckdb": "sql",
    "psycopg": "sql",
    "fsspec": "remote",
    **dict.fromkeys(("umap", "pacmap"), "maps"),
    "anywidget": "notebook",
    "ray": "cluster",
}
NAMES = {
    "sklearn": "scikit-learn",
    "PIL": "Pillow",
    "tensorflow": "TensorFlow",
    "keras": "Keras",
    "ray": "Ray",
    "umap": "UMAP",
    "pacmap": "PaCMAP",
}


def error(module: str, what: str = "this") -> MissingExtraError:
    """Return the error for a module that is not installed. Args: what: needs it, such as "training"."""
    name = NAMES.get(module, module.replace("_", "-"))
    return MissingExtraError(f"{what} needs {name}, which is not installed: pip install 'diabolo[{EXTRAS[module]}]'.")


def check(module: str, what: str) -> None:
    """Raise MissingExtraError if a module is not installed, without importing it."""
    if find_spec(module) is None:
        raise error(module, what)


@contextmanager
def named(what: str = "this") -> Iterator[None]:
    """Turn the error of an import within, of a module that an extra brings, into a MissingExtraError."""
    try:
        yield
    except ModuleNotFoundError as cause:
        module = (cause.name or "").partition(".")[0]
        if isinstance(cause, MissingExtraError) or module not in EXTRAS or find_spec(module) is not None:
            raise
        raise error(module, what) from cause


def names_missing(function: Callable[P, R]) -> Callable[P, R]:
    """Return a function that names a missing package, see `named`."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        with named():
            return function(*args, **kwargs)

    return call

"""More than one machine, by Ray: training of one model, search, and bulk work on the parts of a data set.

Each is also an option of the command line, `--cluster ADDRESS`. Ray, the extra `cluster`, is imported only when one of
these functions is called; each starts the work from the process that calls it, and ends what it started.
"""

import importlib
from typing import Any

from diabolo.cluster.bulk import bulk
from diabolo.cluster.check import check
from diabolo.cluster.connection import connected
from diabolo.cluster.training import engine

_HOMES = dict.fromkeys(("race", "search"), "searching")  # imported when they are used: they load more

__all__ = ["bulk", "check", "connected", "engine", "race", "search"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"diabolo.cluster.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'diabolo.cluster' has no attribute {name!r}. Public names: {', '.join(__all__)}.")

"""The options of commands that can train on several machines: --cluster, --workers, --wait."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from diabolo.cli.options import Cluster, Command, gathered, refuse_without_cluster

if TYPE_CHECKING:
    from diabolo.training.engines import Engine

Workers = Annotated[
    str | None,
    typer.Option(
        metavar="N",
        help="Processes of the cluster that train; a range, 2-4: as many as there is room for, and fewer or more as "
        "machines come and go. Default: one for each machine.",
        rich_help_panel="Cluster",
    ),
]
Wait = Annotated[
    str,
    typer.Option(metavar="TIME", help="How long to wait for enough machines: 90s, 10m, 2h.", rich_help_panel="Cluster"),
]


class Machines(NamedTuple):
    """Where a training runs, as the command line says it."""

    cluster: str | None
    workers: str | None
    wait: str | None

    @contextmanager
    def engine(self) -> "Iterator[Engine | None]":
        """Connect to the cluster, and yield the engine; None without a cluster. Raises DiaboloError."""
        refuse_without_cluster(self.cluster, workers=self.workers, wait=self.wait)
        if self.cluster is None:
            yield None
            return
        from diabolo import cluster
        from diabolo.search.budget import duration

        def say(line: str) -> None:
            print(f"diabolo: {line}", file=sys.stderr)

        wait = duration("10m" if self.wait is None else self.wait, "wait (--wait)")
        with cluster.engine(self.cluster, workers=self.workers, wait=wait, say=say) as engine:
            yield engine


def trains_on_machines() -> Callable[[Command], Command]:
    """Give a command the options of a cluster; it gets them as `machines`, a Machines."""
    options = {"cluster": (Cluster, None), "workers": (Workers, None), "wait": (Wait, None)}
    return gathered("machines", options, Machines)

"""Where the workers of a training run: as many as there is room for, and what is taken for the loss of one.

Order: how many, the room, the losses.
"""

import contextlib
import re
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from diabolo.cluster import connection
from diabolo.cluster.worker import Worker
from diabolo.errors import ClusterError, OptionError

SECONDS_TO_PLACE = 5.0  # for more workers than are needed
SECONDS_BETWEEN_LOOKS = 0.5
# The errors of TensorFlow where a process that it waits for has ended.
INTERRUPTED = ("Unavailable", "Aborted", "Cancelled", "DeadlineExceeded", "Internal", "Unknown")


class Workers(NamedTuple):
    """How many workers a training has: at least, and at most."""

    least: int
    most: int

    @classmethod
    def of(cls, text: object) -> "Workers":
        """Return what a user writes: 4, "4", or "2-4". Raises OptionError."""
        found = re.fullmatch(r"([0-9]{1,4})(?:-([0-9]{1,4}))?", str(text).strip())
        least, most = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
        if not 1 <= least <= most:
            raise OptionError(
                f"workers (--workers) must be a number such as 4, or a range such as 2-4, got {text!r:.40}."
            )
        return cls(least, most)


class LostError(Exception):
    """A worker, or its machine, was lost."""


@contextlib.contextmanager
def placed(
    asked: Workers, wait: float, say: Callable[[str], None], check_stopped: Callable[[], None]
) -> Iterator[list[Any]]:
    """Start as many workers as there is room for, and end them afterwards.

    Args:
        asked: how many.
        wait: seconds to wait for the least number of them.
        say: is called with a line where there is not room for so many yet.
        check_stopped: raises where the user has ended the work.

    Raises: ClusterError.
    """
    ray = connection.load()
    from ray.util.placement_group import placement_group, remove_placement_group
    from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

    until, said = time.monotonic() + wait, False
    with contextlib.ExitStack() as held:
        while True:
            check_stopped()
            processors, count = _room(asked)
            if count >= asked.least:
                tried = placement_group([{"CPU": processors}] * count, strategy="SPREAD")
                held.callback(remove_placement_group, tried)
                if tried.wait(SECONDS_TO_PLACE):
                    break
                held.close()
            if time.monotonic() > until:
                raise ClusterError(
                    f"no room for {_counted(asked.least)} within {wait:.0f} s: the cluster has "
                    f"{connection.described(connection.nodes())}, some of which may be in use. Start more nodes, or "
                    f"ask for fewer workers (workers, --workers)."
                )
            if not said:
                said = True
                say(f"waiting up to {wait:.0f} s for room for {_counted(asked.least)}")
            time.sleep(SECONDS_BETWEEN_LOOKS)
        workers = []
        for at in range(count):
            there = PlacementGroupSchedulingStrategy(placement_group=tried, placement_group_bundle_index=at)
            actor = ray.remote(Worker).options(num_cpus=processors, max_concurrency=4, scheduling_strategy=there)
            workers.append(actor.remote(processors))
            held.callback(ray.kill, workers[-1])
        yield workers


def _counted(workers: int) -> str:
    return "a worker" if workers == 1 else f"{workers} workers"


def _room(asked: Workers) -> tuple[int, int]:
    """Return how many processors a worker gets, and for how many workers there is room now, at most as asked."""
    processors = connection.processors_each(asked.most)
    free = int(connection.load().available_resources().get("CPU", 0.0)) // processors
    return processors, min(asked.most, free, sum(node.processors // processors for node in connection.nodes()))


@contextlib.contextmanager
def losses(*, alone: bool) -> Iterator[None]:
    """Turn the errors of a lost worker, and those that the others then get, into a LostError.

    Args: alone: whether there is one worker, which waits for no other.
    Raises: ClusterError where a worker cannot start; what a worker raised.
    """
    ray = connection.load()
    try:
        yield
    except StopIteration:
        raise LostError("it ended early") from None
    except ray.exceptions.RayTaskError as error:
        cause = error.cause
        if not alone and type(cause).__module__.startswith("tensorflow") and _is_interruption(cause):
            raise LostError("the sums of the gradients were interrupted") from error
        raise cause from error
    except ray.exceptions.RayError as error:
        if "creation task" in str(error):
            raise ClusterError(
                f"a worker cannot start on one of the machines ({connection.reason(error)}): `diabolo cluster check` "
                f"says what it lacks."
            ) from error
        raise LostError("its process has ended") from error


def _is_interruption(error: Any) -> bool:
    return type(error).__name__.startswith(INTERRUPTED) or "ollective" in str(error)

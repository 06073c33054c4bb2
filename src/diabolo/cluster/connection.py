"""The connection to a Ray cluster: one that exists, or processes of this machine.

Ray is imported here and in the other modules of this package alone, and only when a function is called. A local cluster
listens on 127.0.0.1 alone. Ray's usage statistics are switched off: nothing is sent anywhere.

Order: the addresses, the connection, the nodes.
"""

import contextlib
import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from diabolo import missing
from diabolo._version import __version__
from diabolo.errors import ClusterError, OptionError

LOCAL, AUTO = "local", "auto"
ADDRESS = "RAY_ADDRESS"  # the variable that Ray itself reads
LOOPBACK = "127.0.0.1"
MOST_LETTERS = 36  # of the path of a folder for sockets
SECONDS = 10.0  # within which a port must answer
MOST_SECONDS = 60.0  # within which a cluster must

logger = logging.getLogger(__name__)


class Node(NamedTuple):
    """A machine of a cluster, or what Ray takes for one."""

    id: str
    address: str
    processors: int
    gpus: int


def check_address(address: object) -> str:
    """Return the address of a cluster as a user gives it. Raises OptionError, MissingExtraError."""
    missing.check("ray", "a cluster")
    of = f" (from {ADDRESS})" if address == os.environ.get(ADDRESS) else ""
    if not isinstance(address, str) or not address or address != address.strip():
        raise OptionError(f"{_EXPECTED}, got {address!r:.80}{of}.")
    if address.startswith("ray://"):
        raise OptionError(
            f"cluster (--cluster) {address!r:.80} is the address of a Ray client: run this on a machine of the cluster "
            f"instead, with --cluster auto."
        )
    host, _, port = address.rpartition(":")
    if address not in (LOCAL, AUTO) and not (host and port.isascii() and port.isdigit()):
        raise OptionError(f"{_EXPECTED}, got {address!r:.80}{of}.")
    return address


_EXPECTED = "cluster (--cluster) must be 'local', 'auto' or HOST:PORT, such as 10.0.0.5:6379"


@contextlib.contextmanager
def connected(address: str) -> Iterator[None]:
    """Connect to a cluster, and disconnect afterwards; a local one is started, and ended.

    A process that is connected already, as a notebook may be, stays connected to that cluster; another one is an error.

    Args:
        address: "local": processes of this machine; "auto": the cluster in RAY_ADDRESS, or that of this machine;
            HOST:PORT: that of the head node.

    Raises: OptionError, MissingExtraError, ClusterError.
    """
    address = check_address(address)
    if "ray" not in sys.modules:  # otherwise this process may be connected already
        _refuse_closed(address)
    ray = load()
    if ray.is_initialized():
        there = ray.get_runtime_context().gcs_address
        if address not in (AUTO, there) and not (address == LOCAL and _is_local(there)):
            raise ClusterError(
                f"this process is connected to the cluster {there} already: take that one (cluster='auto'), or leave "
                f"it first (ray.shutdown())."
            )
        yield
        return
    with _folder(address) as folder:
        try:
            with _handlers_kept():
                _connect(ray, address, folder)
            with _messages_logged():
                yield
        finally:
            with _handlers_kept():
                ray.shutdown()


@contextlib.contextmanager
def _folder(address: str) -> Iterator[str | None]:
    """Yield a folder for the logs and sockets of a local cluster, which is removed afterwards; otherwise None."""
    if address != LOCAL:
        yield None
        return
    where = tempfile.gettempdir()
    # The path of a socket has at most 107 characters, 60 of them Ray's.
    folder = tempfile.mkdtemp(prefix="dr", dir=where if len(where) < MOST_LETTERS else "/tmp")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def load() -> Any:
    """Import Ray and return it."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    missing.check("ray", "a cluster")
    import ray

    return ray


@contextlib.contextmanager
def _on_loopback() -> Iterator[None]:
    """Let Ray listen on 127.0.0.1, which it would replace by the address of the host."""
    from ray._private import ray_constants

    before, variable = ray_constants.ENABLE_RAY_CLUSTER, ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR
    kept = os.environ.get(variable)
    ray_constants.ENABLE_RAY_CLUSTER, os.environ[variable] = False, "0"  # here, and in the processes that it starts
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before
        if kept is None:
            del os.environ[variable]
        else:
            os.environ[variable] = kept


def _is_local(address: str) -> bool:
    """Whether an address is that of a local cluster: no other listens on loopback alone."""
    return address.startswith(f"{LOOPBACK}:")


def _connect(ray: Any, address: str, folder: str | None) -> None:
    # Not by Ray's own settings, which change the format of the handlers of the user as well.
    logging.getLogger("ray").setLevel(logging.ERROR)
    quiet: dict[str, Any] = {"log_to_driver": False, "configure_logging": False}
    if address == LOCAL:
        with _on_loopback():
            ray.init(address=LOCAL, _node_ip_address=LOOPBACK, include_dashboard=False, _temp_dir=folder, **quiet)
        return
    try:
        where = _found() if _where(address) == AUTO else _where(address)
        _refuse_closed(where)
        with _limited():
            ray.init(address=where, **quiet)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise _no_connection(address, error) from error


def _found() -> str:
    """Return the address of the cluster of this machine. Raises ConnectionError.

    Ray itself would also take a local cluster of another command, and try for ever to reach one that has ended.
    """
    from ray._private import services as private

    services: Any = private
    latest: str | None = services.find_bootstrap_address(None)  # of the last `ray start`
    others: list[str] = sorted(each for each in services.find_gcs_addresses() if not _is_local(each))
    for each in [latest, *others] if latest else others:
        host, _, port = each.rpartition(":")
        with contextlib.suppress(OSError):
            socket.create_connection((host.strip("[]"), int(port)), timeout=SECONDS).close()
            return each
    raise ConnectionError("none runs on this machine")


@contextlib.contextmanager
def _limited() -> Iterator[None]:
    """Raise ConnectionError after a minute: Ray tries for ever where it has another token, or another version."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def give_up(number: int, frame: object) -> None:
        raise ConnectionError(f"no answer within {MOST_SECONDS:.0f} s; is the token (RAY_AUTH_TOKEN) the same?")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, MOST_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


def _where(address: str) -> str:
    return os.environ.get(ADDRESS) or AUTO if address == AUTO else address


def _no_connection(address: str, error: Exception) -> ClusterError:
    first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    where = _where(address)
    named = f"{where} ({ADDRESS})" if address == AUTO and where != AUTO else where
    return ClusterError(
        f"no connection to the Ray cluster {named!r}: {first.rstrip('.'):.160}. Start one with `ray start --head`, or "
        f"use the processes of this machine with --cluster local."
    )


def _refuse_closed(address: str) -> None:
    """Raise ClusterError where nothing listens at HOST:PORT: Ray would try for ever."""
    host, _, port = _where(address).rpartition(":")
    if host and port.isascii() and port.isdigit():
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=SECONDS).close()
        except (OSError, OverflowError) as error:
            raise _no_connection(address, error) from error


@contextlib.contextmanager
def _messages_logged() -> Iterator[None]:
    """Log what Ray says of lost nodes and processes; it prints that on standard output, where the result belongs."""
    from ray._private import worker

    module: Any = worker
    printing = getattr(module, "print_to_stdstream", None)

    def log(data: dict[str, Any], *_: Any, **__: Any) -> None:
        logger.info("Ray: %s", " ".join(map(str, data.get("lines", ()))))

    if printing is not None:
        module.print_to_stdstream = log
    try:
        yield
    finally:
        if printing is not None:
            module.print_to_stdstream = printing


@contextlib.contextmanager
def _handlers_kept() -> Iterator[None]:
    """Restore the handler of SIGTERM, which Ray replaces: a training writes its checkpoint before it ends."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)


def nodes() -> list[Node]:
    """Return the nodes that are alive, in an order that does not change. Needs a connection."""
    ray: Any = load()

    found = []
    for each in ray.nodes():
        if each["Alive"]:
            has = each["Resources"]
            node = Node(each["NodeID"], each["NodeManagerAddress"], int(has.get("CPU", 0)), int(has.get("GPU", 0)))
            found.append(node)
    return sorted(found, key=lambda node: (node.address, node.id))


def described(every: list[Node]) -> str:
    """Return the size of a cluster in words."""
    count, processors = len(every), sum(node.processors for node in every)
    return f"{count} {'node' if count == 1 else 'nodes'}, {processors} CPUs"


def processors_each(workers: int) -> int:
    """Return how many processors each worker gets: those of the smallest node, divided among its workers."""
    every = [node.processors for node in nodes() if node.processors]
    if not every:
        return 1
    on_each = -(-max(1, workers) // len(every))  # rounded up
    return max(1, min(every) // on_each)


def reason(error: Exception) -> str:
    """Return the cause of an error of Ray, whose text ends with a traceback of the process that it comes from."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:200]


def check_versions(found: Iterable[str]) -> None:
    """Raise ClusterError where a machine has another version of Diabolo than this one. Args: found: on each."""
    for each in found:
        if each != __version__:
            raise ClusterError(
                f"a node of the cluster has Diabolo {each}, this machine {__version__}: install the same version on "
                f"all, with pip install 'diabolo[cluster]=={__version__}'."
            )

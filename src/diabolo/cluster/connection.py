"""The connection to a Ray cluster: one that exists, or processes of this machine.

Ray is imported here and in the other modules of this package alone, and only when a function is called. A local cluster
listens on 127.0.0.1 alone. Ray's usage statistics are switched off: nothing is sent anywhere.

Order: the addresses, the connection, the nodes.
"""

import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

from diabolo import missing
from diabolo.errors import ClusterError, OptionError

LOCAL, AUTO = "local", "auto"
ADDRESS = "RAY_ADDRESS"  # the variable that Ray itself reads
LOOPBACK = "127.0.0.1"

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
    if not isinstance(address, str) or not address or address != address.strip():
        raise OptionError(f"{_EXPECTED}, got {address!r:.80}.")
    if address.startswith("ray://"):
        raise OptionError(
            f"cluster (--cluster) {address!r:.80} is the address of a Ray client: run this on a machine of the cluster "
            f"instead, with --cluster auto."
        )
    host, _, port = address.rpartition(":")
    if address not in (LOCAL, AUTO) and not (host and port.isascii() and port.isdigit()):
        raise OptionError(f"{_EXPECTED}, got {address!r:.80}.")
    return address


_EXPECTED = "cluster (--cluster) must be 'local', 'auto' or HOST:PORT, such as 10.0.0.5:6379"


@contextlib.contextmanager
def connected(address: str) -> Iterator[None]:
    """Connect to a cluster, and disconnect afterwards; a local one is started, and ended.

    A process that is connected already, as a notebook may be, stays connected to that cluster.

    Args:
        address: "local": processes of this machine; "auto": the cluster in RAY_ADDRESS, or that of this machine;
            HOST:PORT: that of the head node.

    Raises: OptionError, MissingExtraError, ClusterError.
    """
    address = check_address(address)
    ray = load(local=address == LOCAL)
    if ray.is_initialized():
        yield
        return
    with _handlers_kept():
        _connect(ray, address)
    try:
        with _messages_logged():
            yield
    finally:
        with _handlers_kept():
            ray.shutdown()


def load(*, local: bool = False) -> Any:
    """Import Ray and return it. Args: local: whether a cluster of this machine alone is started."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if local and "ray" not in sys.modules:
        # Otherwise Ray replaces 127.0.0.1 by the address of the host, and listens there.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    missing.check("ray", "a cluster")
    import ray

    return ray


def _connect(ray: Any, address: str) -> None:
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": True}
    if address == LOCAL:
        ray.init(address=LOCAL, _node_ip_address=LOOPBACK, include_dashboard=False, **quiet)
        return
    where = os.environ.get(ADDRESS) or AUTO if address == AUTO else address
    try:
        ray.init(address=where, **quiet)
    except (ConnectionError, RuntimeError, ValueError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        named = f"{where} ({ADDRESS})" if address == AUTO and where != AUTO else where
        raise ClusterError(
            f"no connection to the Ray cluster {named!r}: {first:.160} Start one with `ray start --head`, or use the "
            f"processes of this machine with --cluster local."
        ) from error


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

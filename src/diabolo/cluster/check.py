"""What a cluster has, and what would fail on it: versions, shared storage, clocks, access.

Each node is asked by a task that needs neither a free CPU nor Diabolo there. Order: the result, the check, what runs on
a node, the judgement.
"""

import importlib
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from diabolo.cluster import connection, places
from diabolo.cluster.connection import Node
from diabolo.errors import DiaboloError, OptionError

SECONDS = 60.0  # within which a node has to answer
APART = 5.0  # seconds that clocks may differ
# Packages whose versions must be those of this process, and those that may differ in the last digits of results.
SAME, SIMILAR = ("python", "ray", "diabolo", "tensorflow", "keras"), ("numpy", "onnxruntime")
TRAINING = ("tensorflow", "keras")


class NodeFacts(NamedTuple):
    """What was found on a node.

    Attributes:
        address: of the node.
        processors: CPUs that Ray may use.
        gpus: GPUs that Ray may use.
        memory: bytes; 0: the node did not answer.
        versions: by package; empty: it is not installed.
        clock: seconds by which its clock is ahead of the one here.
        storage: why the folder cannot be used there; empty: it can, or was not asked for.
    """

    address: str
    processors: int
    gpus: int
    memory: int
    versions: dict[str, str]
    clock: float
    storage: str


class ClusterCheck(NamedTuple):
    """The result of `check`.

    Attributes:
        nodes: what was found on each.
        versions: of this process.
        authenticated: whether the cluster asks for a token.
        storage: the folder that was tried.
        problems: what would fail, and what to do.
        notes: what is good to know.
    """

    nodes: list[NodeFacts]
    versions: dict[str, str]
    authenticated: bool
    storage: str | None
    problems: list[str]
    notes: list[str]


def check(cluster: str = connection.AUTO, *, storage: str | os.PathLike[str] | None = None) -> ClusterCheck:
    """Return what a cluster has, and what would fail on it.

    Args:
        cluster: "local", "auto" or HOST:PORT, see `connected`.
        storage: a folder that all nodes should share, a path or an address such as s3://bucket/folder; a few small
            files are written there and deleted.

    Raises: OptionError, MissingExtraError, ClusterError where there is no connection.
    """
    place = None if storage is None else _storage(storage)
    with connection.connected(cluster):
        nodes = connection.nodes()
        with _by_value():
            answers = _ask(nodes, _facts)
            clocks = _ask(nodes, _clock)
            stored = {} if place is None else _try_storage(nodes, place)
        authenticated = _authenticated()
    here = _facts()["versions"]
    found = [_joined(node, answers[node.id], clocks[node.id], stored.get(node.id, "")) for node in nodes]
    problems, notes = _judge(found, here, authenticated=authenticated, place=place)
    return ClusterCheck(found, here, authenticated, place, problems, notes)


def _storage(storage: object) -> str:
    if not isinstance(storage, (str, os.PathLike)) or not os.fspath(storage):
        raise OptionError(f"storage (--storage) must be a folder or an address, got {storage!r:.60}.")
    text = places.plain(os.fspath(storage))
    if places.scheme(text):
        return text
    if not Path(text).is_dir():
        raise OptionError(f"storage (--storage) {text} is not a folder here: make it, on a disk that all nodes share.")
    return os.path.abspath(text)


class _Answer(NamedTuple):
    """What a node answered, or why it did not; and when it was asked, and answered."""

    value: Any
    error: str
    asked: float
    answered: float


def _ask(nodes: list[Node], function: Callable[..., Any], *arguments: Any) -> dict[str, _Answer]:
    """Return the result of a function on each node, by the id of the node."""
    ray: Any = connection.load()
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    asked, answers = dict[Any, str](), dict[str, _Answer]()
    task, start = ray.remote(num_cpus=0, max_retries=0)(function), time.time()
    for node in nodes:
        where = NodeAffinitySchedulingStrategy(node.id, soft=False)
        asked[task.options(scheduling_strategy=where).remote(*arguments)] = node.id
    until = time.monotonic() + SECONDS
    while asked and time.monotonic() < until:
        done, _ = ray.wait([*asked], timeout=max(0.0, until - time.monotonic()))
        for ref in done:
            try:
                answer = _Answer(ray.get(ref), "", start, time.time())
            except Exception as error:  # of Ray, or of the function
                lines = [line.strip() for line in str(error).splitlines() if line.strip()]
                answer = _Answer(None, (lines or [type(error).__name__])[-1][:160], start, time.time())
            answers[asked.pop(ref)] = answer
    for ref, identity in asked.items():
        ray.cancel(ref, force=True)
        answers[identity] = _Answer(None, f"no answer within {SECONDS:.0f} s", start, time.time())
    return answers


@contextmanager
def _by_value() -> Iterator[None]:
    """Send the functions below as code: a node may lack this package, or have an older one."""
    cloudpickle: Any = importlib.import_module("ray.cloudpickle")

    module = sys.modules[__name__]
    cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        cloudpickle.unregister_pickle_by_value(module)


# What runs on a node: these three functions import all that they need.


def _facts() -> dict[str, Any]:
    import importlib.metadata
    import platform

    def version(*names: str) -> str:
        for name in names:
            try:
                return importlib.metadata.version(name)
            except importlib.metadata.PackageNotFoundError:
                continue
        return ""

    versions = {"python": platform.python_version()}
    versions |= {name: version(name) for name in ("ray", "keras", "numpy", "onnxruntime")}
    versions["tensorflow"] = version("tensorflow", "tensorflow-cpu", "tensorflow-intel", "tensorflow-rocm")
    try:
        from diabolo._version import __version__

        versions["diabolo"] = __version__
    except ImportError:
        versions["diabolo"] = ""
    try:
        import psutil

        memory = int(psutil.virtual_memory().total)
    except ImportError:
        memory = 0
    return {"versions": versions, "memory": memory}


def _clock() -> float:
    import time

    return time.time()


def _share(storage: str, folder: str, token: str, name: str | None) -> str:
    """Read what the driver wrote and write a file; without a name delete what is left. Return what is wrong."""
    import os
    import shutil
    import time

    local = "://" not in storage
    if name is None:
        if local:
            shutil.rmtree(os.path.join(storage, folder), ignore_errors=True)
        return ""
    if local and not os.path.isdir(storage):
        return "the folder does not exist there"
    try:
        from diabolo.cluster import places
    except ImportError:
        return "Diabolo is not installed there"
    place, until = places.folder(f"{storage}/{folder}"), time.monotonic() + 10
    try:
        while place.read("driver") != token.encode():
            if time.monotonic() > until:
                return "it is another folder there: the file written here is not in it"
            time.sleep(0.2)
        place.write(name, token.encode())
    except Exception as error:
        return (str(error).splitlines() or [type(error).__name__])[0][:160]
    return ""


def _try_storage(nodes: list[Node], storage: str) -> dict[str, str]:
    """Return what is wrong with the storage, by the id of the node; empty: nothing."""
    folder, token = f".diabolo-check-{secrets.token_hex(4)}", secrets.token_hex(8)
    place, wrong = places.folder(f"{storage}/{folder}"), dict[str, str]()
    try:
        try:
            with place.target("driver") as path:
                path.write_text(token)
        except (DiaboloError, OSError) as error:
            return dict.fromkeys((node.id for node in nodes), f"it cannot be written here ({error!s:.160})")
        for node in nodes:
            answer = _ask([node], _share, storage, folder, token, node.id)[node.id]
            wrong[node.id] = answer.error or answer.value or _unread(place, node.id, token)
        lost = [node for node in nodes if wrong[node.id]]
        if lost:
            _ask(lost, _share, storage, folder, token, None)
    finally:
        with suppress(DiaboloError, OSError):
            place.remove()
    return wrong


def _unread(place: places.Folder, name: str, token: str) -> str:
    until = time.monotonic() + 10
    while place.read(name) != token.encode():
        if time.monotonic() > until:
            return "what the node wrote is not seen here"
        time.sleep(0.2)
    return ""


def _joined(node: Node, answer: _Answer, clock: _Answer, storage: str) -> NodeFacts:
    versions, memory = (answer.value["versions"], answer.value["memory"]) if answer.value else ({}, 0)
    ahead = 0.0
    if clock.value is not None:  # within the time that the question took, nothing is known
        ahead = max(0.0, clock.value - clock.answered) + min(0.0, clock.value - clock.asked)
    wrong = answer.error if not answer.value else storage
    return NodeFacts(node.address, node.processors, node.gpus, memory, versions, ahead, wrong)


def _authenticated() -> bool:
    try:
        from ray._private.authentication.authentication_utils import is_token_auth_enabled
    except ImportError:  # a private name
        return os.environ.get("RAY_AUTH_MODE") == "token"
    return bool(is_token_auth_enabled())


# The judgement


def _judge(
    nodes: list[NodeFacts], here: dict[str, str], *, authenticated: bool, place: str | None
) -> tuple[list[str], list[str]]:
    """Return what would fail, and what is good to know."""
    problems, notes = list[str](), list[str]()
    for node in nodes:
        if not node.versions:
            problems.append(f"{node.address} does not answer ({node.storage}): look into `ray status` and its logs.")
            continue
        problems += _versions_that_fail(node, here)
        differ = [f"{name} {node.versions[name] or 'missing'}" for name in SIMILAR if node.versions[name] != here[name]]
        if differ:
            notes.append(f"{node.address} has {', '.join(differ)}: results may differ in their last digits.")
        if node.storage:
            problems.append(f"{node.address}: {place}: {node.storage}: mount the same disk there, or use an address.")
        if abs(node.clock) > APART:
            problems.append(f"{node.address}: its clock is {node.clock:+.0f} s off: set it by NTP.")
    if not any(node.versions.get("tensorflow") for node in nodes) and not here["tensorflow"]:
        notes.append("TensorFlow is not installed: bulk work needs none, training does (pip install 'diabolo[train]').")
    if not sum(node.processors for node in nodes):
        problems.append("no node gives Ray a CPU: start one with `ray start --num-cpus N`.")
    if not authenticated:
        notes.append(
            "no token is asked for: whoever reaches the ports of the cluster can run code on it. Set "
            "RAY_AUTH_MODE=token and the same token on every node before `ray start`, see docs/cluster.md."
        )
    if place is None and len(nodes) > 1:
        notes.append("no folder was tried: add --storage FOLDER to see whether all nodes share it.")
    return problems, notes


def _versions_that_fail(node: NodeFacts, here: dict[str, str]) -> Iterator[str]:
    for name in SAME:
        theirs, ours = node.versions[name], here[name]
        if name == "python":
            theirs, ours = theirs.rpartition(".")[0], ours.rpartition(".")[0]
        if theirs == ours:
            continue
        if name in TRAINING and not ours:
            continue  # nothing here needs it
        install = f"install {name} {ours} there"
        if name == "diabolo":
            install = f"install Diabolo {ours} there (pip install 'diabolo[cluster]')"
        yield f"{node.address} has {name} {theirs or 'not installed'}, this process {ours}: {install}."

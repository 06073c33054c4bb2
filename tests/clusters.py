"""A real Ray cluster for tests: nodes with addresses of their own, in a network namespace of which nothing leaves.

TensorFlow's and Ray's servers listen on all addresses, so they run where there is no network but loopback. What a test
starts in the namespace is a process of its own; `Nodes.run` starts it and waits for it.
"""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

HEAD = "10.77.0.1"
PORT = 6379
SECONDS = 60.0  # within which a node joins, or leaves


def _unshare():
    root = [] if os.geteuid() == 0 else ["--map-root-user"]
    return ["unshare", *root, "--net", "--fork", "--kill-child"]


def _works():
    if shutil.which("unshare") is None or shutil.which("nsenter") is None or shutil.which("ip") is None:
        return False
    command = [*_unshare(), "ip", "link", "set", "lo", "up"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


needs_namespace = pytest.mark.skipif(not _works(), reason="needs unshare, nsenter and ip, and the right to use them")


def descendants(pid):
    """Return the processes that a process has started, and those that these have started."""
    children = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                stat = (entry / "stat").read_text().rpartition(")")[2].split()
                children.setdefault(int(stat[1]), []).append(int(entry.name))
    found, waiting = [], [pid]
    while waiting:
        more = children.get(waiting.pop(), [])
        found += more
        waiting += more
    return found


class Namespace:
    """A network of its own with nothing but loopback, in which processes are started."""

    def __init__(self, inside):
        self.inside, self.env = inside, dict(os.environ)

    def start(self, *command, env=None, **options):
        """Start a command in the namespace, and return the process."""
        entered = ["nsenter", "--target", str(self.inside), "--net", *map(str, command)]
        return subprocess.Popen(entered, env=self.env | (env or {}), **options)

    def run(self, *command, timeout=300, env=None, **options):
        """Run a command in the namespace, and return the finished process."""
        with self.start(
            *command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
        ) as process:
            try:
                said, errors = process.communicate(timeout=timeout)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        return subprocess.CompletedProcess(command, process.returncode, said, errors)

    def check(self, *command, **options):
        """Run a command, which must succeed, and return what it wrote to standard output."""
        done = self.run(*command, **options)
        assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        return done.stdout


@contextlib.contextmanager
def namespace():
    """Yield a namespace, which ends afterwards with all of its processes."""
    holder = subprocess.Popen(
        [*_unshare(), "sh", "-c", "ip link set lo up && echo up && exec sleep infinity"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout.readline() == "up\n"
        (inside,) = descendants(holder.pid)
        yield Namespace(inside)
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()


class Nodes:
    """The nodes of a cluster, by their addresses; a context manager.

    Args: processors: of each node, the first of which is the head.
    """

    def __init__(self, *processors):
        self._asked = processors
        self._held = contextlib.ExitStack()
        self.address = f"{HEAD}:{PORT}"
        self.running, self._added = {}, 0

    def __enter__(self):
        with self._held:
            # Short: the path of a socket has at most 107 characters.
            self._folder = Path(self._held.enter_context(tempfile.TemporaryDirectory(prefix="dr")))
            self._env = os.environ | {
                "RAY_AUTH_MODE": "token",
                "RAY_AUTH_TOKEN": secrets.token_hex(32),
                "RAY_USAGE_STATS_ENABLED": "0",
                "RAY_ADDRESS": self.address,  # otherwise Ray takes the cluster that was started last on this machine
                "RAY_health_check_initial_delay_ms": "1000",
                "RAY_health_check_period_ms": "1000",
                "RAY_health_check_failure_threshold": "3",
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            }
            self._namespace = self._held.enter_context(namespace())
            self._namespace.env = self._env
            self.start, self.run, self.check = self._namespace.start, self._namespace.run, self._namespace.check
            self._held.callback(self._remove_all)
            for count in self._asked:
                self.add(count)
            self._held = self._held.pop_all()
        return self

    def __exit__(self, *error):
        self._held.close()

    def _remove_all(self):
        for address in reversed([*self.running]):
            self.kill(address)

    def add(self, processors=2):
        """Start a node, wait until it has joined, and return its address."""
        self._added += 1  # the address of a node that was killed is not used again
        number = self._added
        address = f"10.77.0.{number}"
        self.check("ip", "address", "add", f"{address}/32", "dev", "lo")
        options = ["--num-cpus", str(processors), "--node-ip-address", address, "--block", "--disable-usage-stats"]
        if number == 1:
            options += ["--head", "--port", str(PORT), "--include-dashboard", "false", "--temp-dir", str(self._folder)]
        else:
            options += ["--address", self.address]
        env = {"RAY_ADDRESS": ""}  # which would be another cluster for the command
        log = (self._folder / f"{address}.log").open("w")
        self._held.callback(log.close)
        self.running[address] = self.start("ray", "start", *options, stdout=log, stderr=log, env=env)
        self.wait_for(number_of_nodes=len(self.running))
        return address

    def wait_for(self, *, number_of_nodes):
        """Wait until so many nodes are alive."""
        code = (
            # Not "auto", which may be another cluster of this machine.
            f"import ray; ray.init('{self.address}', log_to_driver=False, logging_level='error'); "
            "print(sum(each['Alive'] for each in ray.nodes()))"
        )
        until, said = time.monotonic() + SECONDS, ""
        while time.monotonic() < until:
            done = self.run(sys.executable, "-c", code)
            said = done.stdout + done.stderr
            if done.returncode == 0 and done.stdout.split()[-1:] == [str(number_of_nodes)]:
                return
            time.sleep(0.5)
        logs = "\n".join(path.read_text()[-2000:] for path in self._folder.glob("*.log"))
        raise AssertionError(f"no {number_of_nodes} nodes within {SECONDS} s: {said[-2000:]}\n{logs}")

    def kill(self, address):
        """End a node as a power cut does: all of its processes, at once."""
        node = self.running.pop(address)
        for pid in [node.pid, *descendants(node.pid)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        node.wait()

"""`diabolo cluster check`: what a cluster has, and what would fail on it."""

import json
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec

import pytest

import clusters
from diabolo.cluster import check, connected
from diabolo.errors import ClusterError, OptionError


def test_a_cluster_that_is_not_there_is_one_line():  # before the fixture: who is connected stays so
    with pytest.raises(ClusterError, match=r"no connection to the Ray cluster '127\.0\.0\.1:1'"):
        check("127.0.0.1:1")


@pytest.fixture(scope="module")
def cluster():
    if find_spec("ray") is None:  # not imported here: `connected` first has it listen on 127.0.0.1 alone
        pytest.skip("needs ray")
    with connected("local"):
        yield "local"


def test_a_cluster_of_this_machine_has_no_problem(cluster, tmp_path, cli):
    found = check(cluster, storage=tmp_path)
    (node,) = found.nodes
    assert (node.address, node.processors) == ("127.0.0.1", os.cpu_count())
    assert node.memory == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert node.versions["python"] == platform.python_version()
    assert node.versions["ray"] == version("ray")
    assert (node.clock, node.storage, found.problems) == (0.0, "", [])
    assert [*tmp_path.iterdir()] == []
    shown = cli("cluster", "check", "--cluster", "local", "--storage", tmp_path)
    assert shown.code == 0, shown.err
    assert "is read and written by every node" in shown.out
    said = json.loads(cli("cluster", "check", "--cluster", "local", "--json").out)
    assert said["nodes"][0]["address"] == "127.0.0.1"
    assert said["problems"] == []


def test_a_folder_that_is_not_here_is_refused(tmp_path):
    with pytest.raises(OptionError, match="is not a folder here"):
        check("local", storage=tmp_path / "none")


LOOK = (
    "import json, sys; from diabolo.cluster import check\n"
    "print(json.dumps(check(sys.argv[1], storage=sys.argv[2])._asdict()))"
)


@pytest.mark.slow
@clusters.needs_namespace
def test_each_node_is_named_for_what_it_lacks(tmp_path):
    """The second node has a folder of its own under the name of the storage, and an older Diabolo."""
    older = tmp_path / "older"
    (older / "diabolo").mkdir(parents=True)
    (older / "diabolo" / "__init__.py").write_text("")
    (older / "diabolo" / "_version.py").write_text("__version__ = '0.0.1'\n")
    (tmp_path / "shared").mkdir()
    with clusters.Nodes(1) as nodes:
        where = json.loads(nodes.check(sys.executable, "-c", LOOK, nodes.address, tmp_path / "shared").splitlines()[-1])
        assert (where["problems"], len(where["nodes"]), where["authenticated"]) == ([], 1, True)
        nodes.check("ip", "address", "add", "10.77.0.2/32", "dev", "lo")
        start = [
            "unshare", "--mount", "sh", "-c",
            f"mount -t tmpfs none {tmp_path}/shared && exec ray start --address {nodes.address} --num-cpus 1 "
            f"--node-ip-address 10.77.0.2 --block --disable-usage-stats",
        ]  # fmt: skip
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        nodes.running["10.77.0.2"] = nodes.start(*start, env={"PYTHONPATH": str(older)}, **quiet)
        nodes.wait_for(number_of_nodes=2)
        said = json.loads(nodes.check(sys.executable, "-c", LOOK, nodes.address, tmp_path / "shared").splitlines()[-1])
        problems = "\n".join(said["problems"])
        assert "10.77.0.2 has diabolo 0.0.1" in problems
        assert "10.77.0.2: " in problems.replace("10.77.0.2 has", "")
        assert "10.77.0.1" not in problems
        assert [*(tmp_path / "shared").iterdir()] == []

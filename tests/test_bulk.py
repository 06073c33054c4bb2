"""Many files through one model: results, manifest, runs that go on, bad parts, addresses, workers of a cluster."""

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import clusters
import diabolo
from diabolo import Autoencoder
from diabolo.cluster import bulk, connected
from diabolo.cluster.connection import load
from diabolo.errors import CheckpointError, ClusterError, DataError, OptionError, OutputError
from diabolo.storage import files

COUNT, ROWS = 6, 50


@pytest.fixture
def parts(tmp_path, digits):
    """Six parts of the digits, and their rows."""
    folder = tmp_path / "parts"
    folder.mkdir()
    rows = digits.x_train[: COUNT * ROWS]
    for number in range(COUNT):
        np.save(folder / f"{number}.npy", rows[number * ROWS : (number + 1) * ROWS])
    return SimpleNamespace(folder=folder, rows=rows, out=tmp_path / "out")


@pytest.fixture(scope="module")
def cluster():
    """A cluster of this machine, which all tests of this file share."""
    if find_spec("ray") is None:  # not imported here: `connected` first has it listen on 127.0.0.1 alone
        pytest.skip("needs ray")
    with connected("local"):
        yield "local"


def together(out):
    return np.concatenate([np.load(out / f"{number}.npy") for number in range(COUNT)])


def manifest_of(out):
    return json.loads((out / "manifest.json").read_text())


def states(out):
    return {each["output"]: each["state"] for each in manifest_of(out)["parts"]}


def names(out):
    return sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())


def times(out):
    return {path.name: path.stat().st_mtime_ns for path in out.glob("*.npy")}


# Results and manifest


@pytest.mark.parametrize("verb", ["encode", "reconstruct", "score"])
def test_results_are_those_of_all_rows_at_once(parts, model_path, verb):
    model = diabolo.load(model_path)
    expected = getattr(model, {"score": "score_samples"}.get(verb, verb))(parts.rows)
    expected = -expected if verb == "score" else expected
    result = bulk(model_path, verb, parts.folder, parts.out)
    assert (result.parts, result.done, result.skipped, result.rows) == (COUNT, COUNT, 0, len(parts.rows))
    np.testing.assert_allclose(together(parts.out), expected, rtol=1e-5, atol=1e-5)


def test_decode_takes_what_encode_wrote(parts, fitted, tmp_path):
    bulk(fitted, "encode", parts.folder, parts.out)
    bulk(fitted, "decode", parts.out / "*.npy", tmp_path / "decoded")
    np.testing.assert_allclose(together(tmp_path / "decoded"), fitted.reconstruct(parts.rows), atol=1e-5)


def test_the_manifest_has_rows_and_checksums_of_each_result(parts, model_path):
    bulk(model_path, "encode", parts.folder, parts.out)
    found = manifest_of(parts.out)
    assert found["rows"] == len(parts.rows)
    assert found["job"]["model"] == hashlib.sha256(model_path.read_bytes()).hexdigest()
    assert found["versions"]["diabolo"] == diabolo.__version__
    assert names(parts.out) == [".lock", *(each["output"] for each in found["parts"]), "manifest.json"]
    for each in found["parts"]:
        content = (parts.out / each["output"]).read_bytes()
        assert each["sha256"] == hashlib.sha256(content).hexdigest()
        assert (each["size"], each["rows"], each["state"]) == (len(content), ROWS, "done")


def test_a_table_keeps_its_columns_as_encode_does(tmp_path, cli, rng):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    (tmp_path / "in").mkdir()
    tables = []
    for number in range(3):
        columns = {f"x{at}": rng.normal(size=40) for at in range(4)}
        ids = [f"id {number * 40 + at}" for at in range(40)]
        tables.append(pa.table({"id": ids, "kind": rng.choice(["a", "b"], 40), **columns}))
        parquet.write_table(tables[-1], tmp_path / "in" / f"{number}.parquet")
    model = Autoencoder(2, structure=[8], epochs=2, random_state=0).fit(pa.concat_tables(tables))
    path = model.save(tmp_path / "m")
    done = cli("bulk", "encode", path, "in/*.parquet", "-o", "out", "--keep", "id")
    assert done.code == 0, done.err
    assert cli("encode", path, "in/1.parquet", "-o", "one.parquet", "--keep", "id").code == 0
    assert parquet.read_table(tmp_path / "out" / "1.parquet").equals(parquet.read_table(tmp_path / "one.parquet"))
    every = pa.concat_tables([parquet.read_table(tmp_path / "out" / f"{each}.parquet") for each in range(3)])
    assert every["id"].to_pylist() == pa.concat_tables(tables)["id"].to_pylist()
    bad = cli("bulk", "encode", path, "in/*.parquet", "-o", "bad", "--keep", "ids")
    assert bad.code == 2
    assert "unknown column 'ids'. Did you mean 'id'?" in bad.err


def test_parts_of_one_name_in_two_folders_keep_their_folders(tmp_path, model_path, digits):
    for number, name in enumerate("ab"):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "x.npy", digits.x_train[number * 10 : number * 10 + 10])
    result = bulk(model_path, "encode", [tmp_path / "a", tmp_path / "b"], tmp_path / "out")
    assert result.rows == 20
    model = diabolo.load(model_path)
    for number, name in enumerate("ab"):
        expected = model.encode(digits.x_train[number * 10 : number * 10 + 10])
        np.testing.assert_allclose(np.load(tmp_path / "out" / name / "x.npy"), expected, atol=1e-6)
    one = bulk(model_path, "encode", tmp_path / "b" / "x.npy", tmp_path / "out")  # has the name that it had
    assert (one.done, one.skipped) == (0, 1)


def test_parts_that_differ_in_their_ending_keep_it(tmp_path, fitted_table, table):
    np.save(tmp_path / "x.npy", table[:5])
    np.savetxt(tmp_path / "x.csv", table[5:9], delimiter=",")
    bulk(fitted_table, "encode", [tmp_path / "x.npy", tmp_path / "x.csv"], tmp_path / "out")
    assert len(np.load(tmp_path / "out" / "x.npy.npy")) == 5
    assert len(np.load(tmp_path / "out" / "x.csv.npy")) == 4


# A second run


def test_a_second_run_skips_what_exists_and_makes_what_is_missing(parts, model_path):
    bulk(model_path, "encode", parts.folder, parts.out)
    before = times(parts.out)
    again = bulk(model_path, "encode", parts.folder, parts.out)
    assert (again.done, again.skipped, again.rows, again.new_rows) == (0, COUNT, len(parts.rows), 0)
    assert times(parts.out) == before
    expected = together(parts.out)
    (parts.out / "3.npy").unlink()
    third = bulk(model_path, "encode", parts.folder, parts.out)
    assert (third.done, third.skipped) == (1, COUNT - 1)
    np.testing.assert_array_equal(together(parts.out), expected)


def test_a_run_that_is_stopped_goes_on_and_leaves_no_scrap(parts, model_path):
    def stop(progress):
        if progress.done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bulk(model_path, "encode", parts.folder, parts.out, report=stop)
    assert [*states(parts.out).values()] == ["done", "done", *["waiting"] * (COUNT - 2)]
    assert names(parts.out) == [".lock", "0.npy", "1.npy", "manifest.json"]
    result = bulk(model_path, "encode", parts.folder, parts.out)
    assert (result.done, result.skipped) == (COUNT - 2, 2)
    assert len(together(parts.out)) == len(parts.rows)


def test_a_killed_run_goes_on_and_its_scraps_are_removed(parts, model_path, tmp_path):
    code = (
        "import os, signal, sys; from diabolo.cluster import bulk\n"
        "def stop(progress):\n"
        "    if progress.done == 2: os.kill(os.getpid(), signal.SIGKILL)\n"
        "bulk(*sys.argv[1:], report=stop)"
    )
    arguments = [sys.executable, "-c", code, model_path, "encode", parts.folder, parts.out]
    assert subprocess.run(arguments, check=False).returncode == -signal.SIGKILL
    (parts.out / ".3.npy.0123abcd").write_bytes(b"half")  # as a process leaves it that is killed while it writes
    (parts.out / ".mine").write_bytes(b"")
    result = bulk(model_path, "encode", parts.folder, parts.out)
    assert result.done + result.skipped == COUNT
    assert result.skipped == 2
    assert names(parts.out) == [".lock", ".mine", *(f"{each}.npy" for each in range(COUNT)), "manifest.json"]
    np.testing.assert_allclose(together(parts.out), diabolo.load(model_path).encode(parts.rows), atol=1e-6)


def test_a_changed_part_is_refused_and_made_again_by_force(parts, model_path):
    bulk(model_path, "encode", parts.folder, parts.out)
    before = times(parts.out)
    np.save(parts.folder / "2.npy", parts.rows[:7])
    with pytest.raises(OutputError, match=r"2\.npy exists, .*--force"):
        bulk(model_path, "encode", parts.folder, parts.out)
    assert times(parts.out) == before
    result = bulk(model_path, "encode", parts.folder, parts.out, force=True)
    assert (result.done, result.skipped) == (1, COUNT - 1)
    assert len(np.load(parts.out / "2.npy")) == 7


def test_a_changed_result_is_refused(parts, model_path):
    bulk(model_path, "encode", parts.folder, parts.out)
    (parts.out / "2.npy").write_bytes(b"other")
    with pytest.raises(OutputError, match=r"2\.npy exists"):
        bulk(model_path, "encode", parts.folder, parts.out)


def test_moved_parts_are_the_same_parts(parts, model_path):
    bulk(model_path, "encode", parts.folder, parts.out)
    moved = parts.folder.rename(parts.folder.with_name("moved"))
    assert bulk(model_path, "encode", moved, parts.out).skipped == COUNT


def test_results_of_another_job_are_refused(parts, model_path, fitted):
    bulk(model_path, "encode", parts.folder, parts.out)
    other = Autoencoder(8, structure=[32], epochs=1, random_state=1).fit(parts.rows)
    with pytest.raises(OutputError, match=r"another job \(another model\)"):
        bulk(other, "encode", parts.folder, parts.out)
    with pytest.raises(OutputError, match=r"another verb"):
        bulk(model_path, "score", parts.folder, parts.out)
    with pytest.raises(OutputError, match=r"another format"):
        bulk(model_path, "encode", parts.folder, parts.out, ending="csv")
    with pytest.raises(OutputError, match=r"'1.npy', .* would stay"):  # some would be of one model, some of the other
        bulk(other, "encode", parts.folder / "0.npy", parts.out, force=True)
    result = bulk(other, "encode", parts.folder, parts.out, force=True)
    assert (result.done, result.skipped) == (COUNT, 0)
    np.testing.assert_allclose(together(parts.out), other.encode(parts.rows), atol=1e-6)


def test_files_that_are_no_results_are_not_replaced(parts, model_path):
    parts.out.mkdir()
    (parts.out / "2.npy").write_bytes(b"mine")
    with pytest.raises(OutputError, match=r"2\.npy exists"):
        bulk(model_path, "encode", parts.folder, parts.out)
    assert names(parts.out) == [".lock", "2.npy"]
    with pytest.raises(OutputError, match="would be replaced"):
        bulk(model_path, "encode", parts.folder, parts.folder, force=True)
    (parts.out / "manifest.json").write_text("{}")
    with pytest.raises(OutputError, match="not a manifest"):
        bulk(model_path, "encode", parts.folder, parts.out, force=True)


def test_one_folder_takes_one_run_at_a_time(parts, model_path):
    parts.out.mkdir()
    with files.locked(parts.out / ".lock"), pytest.raises(CheckpointError, match="in use"):
        bulk(model_path, "encode", parts.folder, parts.out)


# Bad parts and options


def test_a_damaged_part_does_not_stop_the_others(parts, model_path, cli):
    (parts.folder / "1.npy").write_bytes(b"damaged")
    np.save(parts.folder / "4.npy", np.zeros((3, 5)))
    done = cli("bulk", "encode", model_path, "parts/*.npy", "-o", "out")
    assert done.code == 2
    assert "4 new files" in done.out
    assert "parts/1.npy: expected a .npy file" in done.err
    assert "2 of 6 parts have no result" in done.err
    found = {each["output"]: each for each in manifest_of(parts.out)["parts"]}
    assert [name for name, each in found.items() if each["state"] == "failed"] == ["1.npy", "4.npy"]
    assert "expected" in found["4.npy"]["error"]
    for number in (1, 4):
        np.save(parts.folder / f"{number}.npy", parts.rows[number * ROWS : (number + 1) * ROWS])
    again = cli("bulk", "encode", model_path, "parts/*.npy", "-o", "out", "--json")
    assert again.code == 0, again.err
    said = json.loads(again.out)
    assert (said["done"], said["skipped"], said["failed"]) == (2, 4, {})
    np.testing.assert_allclose(together(parts.out), diabolo.load(model_path).encode(parts.rows), atol=1e-6)


def test_wrong_options_are_refused_before_any_work(parts, model_path, tmp_path):
    for arguments, options, message in (
        (("encod", parts.folder), {}, "unknown verb 'encod'. Did you mean 'encode'"),
        (("encode", parts.folder), {"ending": "parqet"}, "unknown format 'parqet'. Did you mean 'parquet'"),
        (("encode", parts.folder), {"workers": 2}, "add cluster='local'"),
        (("score", parts.folder), {"codes": True}, "only for encode"),
        (("encode", parts.folder), {"condition": {"site": "B"}}, "only for decode"),
        (("encode", [3]), {}, "files must be a path or an address, got 3"),
    ):
        with pytest.raises(OptionError, match=message):
            bulk(model_path, arguments[0], arguments[1], parts.out, **options)
    with pytest.raises(DataError, match="expected files"):
        bulk(model_path, "encode", tmp_path / "none*.npy", parts.out)
    with pytest.raises(OptionError, match="a fitted estimator"):
        bulk(3, "encode", parts.folder, parts.out)
    assert not parts.out.exists()


# Addresses


@pytest.fixture
def store():
    """An object store in memory that keeps what is visible at each moment of an upload."""
    pytest.importorskip("fsspec")
    import fsspec
    from fsspec.implementations.memory import MemoryFileSystem

    class Slow(MemoryFileSystem):
        protocol = "slowstore"
        store = {}  # noqa: RUF012
        pseudo_dirs = [""]  # noqa: RUF012
        seen = []  # noqa: RUF012

        @classmethod
        def _strip_protocol(cls, path):
            return MemoryFileSystem._strip_protocol(str(path).removeprefix("slowstore://"))

        def put_file(self, lpath, rpath, **options):
            content = Path(lpath).read_bytes()
            self.pipe_file(rpath, content[: len(content) // 2])
            found = self.find("/out", detail=True).values()
            self.seen += [(each["name"], each["size"]) for each in found if each["name"].endswith(".npy")]
            self.pipe_file(rpath, content)

    fsspec.register_implementation("slowstore", Slow, clobber=True)
    return Slow


def test_an_address_without_atomic_writes_shows_no_half_file(parts, model_path, store):
    system = store()
    for path in sorted(parts.folder.iterdir()):
        system.pipe_file(f"/data/{path.name}", path.read_bytes())
    result = bulk(model_path, "encode", "slowstore://data/*.npy", "slowstore://out")
    assert result.rows == len(parts.rows)
    assert sorted(system.find("/out")) == [*(f"/out/{number}.npy" for number in range(COUNT)), "/out/manifest.json"]
    sizes = {f"/out/{number}.npy": len(system.cat_file(f"/out/{number}.npy")) for number in range(COUNT)}
    during = [(name, size) for name, size in store.seen if "/." not in name]
    assert {name for name, _ in during} == {*sizes}
    assert all(size == sizes[name] for name, size in during)


def test_addresses_of_an_object_store_work_as_paths_do(parts, model_path, cli):
    fsspec = pytest.importorskip("fsspec")
    system = fsspec.filesystem("memory")
    for path in sorted(parts.folder.iterdir()):
        system.pipe_file(f"/bulk-in/{path.name}", path.read_bytes())
    try:
        first = cli("bulk", "encode", model_path, "memory://bulk-in/*.npy", "-o", "memory://bulk-out")
        assert first.code == 0, first.err
        got = [np.load(system.open(f"/bulk-out/{number}.npy")) for number in range(COUNT)]
        np.testing.assert_allclose(np.concatenate(got), diabolo.load(model_path).encode(parts.rows), atol=1e-6)
        system.rm_file("/bulk-out/2.npy")
        again = cli("bulk", "encode", model_path, "memory://bulk-in", "-o", "memory://bulk-out", "--json")
        assert json.loads(again.out)["done"] == 1, again.err
        system.pipe_file("/bulk-in/5.npy", b"changed")
        refused = cli("bulk", "encode", model_path, "memory://bulk-in", "-o", "memory://bulk-out")
        assert refused.code == 2
        assert "memory://bulk-out/5.npy exists" in refused.err
    finally:
        system.rm("/bulk-in", recursive=True)
        system.rm("/bulk-out", recursive=True)


def test_file_addresses_are_paths(parts, model_path):
    bulk(model_path, "encode", f"file://{parts.folder}/*.npy", f"local://{parts.out}")
    assert len(together(parts.out)) == len(parts.rows)


# Workers of a cluster


def workers():
    """Return the processes of workers of this machine, by their titles."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                title = (entry / "cmdline").read_text()
            except OSError:
                continue
            if title.startswith("ray::Worker"):
                found.append(int(entry.name))
    return found


def test_workers_of_a_cluster_give_the_same_results(parts, model_path, cluster):
    bulk(model_path, "encode", parts.folder, parts.out, cluster=cluster)
    np.testing.assert_allclose(together(parts.out), diabolo.load(model_path).encode(parts.rows), atol=1e-6)
    assert {each["rows"] for each in manifest_of(parts.out)["parts"]} == {ROWS}
    assert bulk(model_path, "encode", parts.folder, parts.out, cluster=cluster).skipped == COUNT


def test_a_worker_has_one_model_and_no_tensorflow(parts, model_path, cluster):
    from diabolo.cluster.parts import Job, Part, Worker
    from diabolo.cluster.places import find

    ray = load()
    job = Job(folder=str(parts.out), verb="encode", ending=".npy")
    worker = ray.remote(Worker).options(num_cpus=1).remote(model_path.read_bytes(), job, 1)
    outcome = ray.get(worker.do.remote(Part("0.npy", find(str(parts.folder / "0.npy"))[0])))
    assert (outcome.error, outcome.rows) == ("", ROWS)
    about = ray.get(worker.about.remote())
    assert (about["threads"], about["heavy"]) == (1, [])
    assert about["process"] != os.getpid()
    ray.kill(worker)


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs /proc")
def test_a_killed_worker_loses_no_row(parts, model_path, cluster):
    notes, killed = [], []

    def kill(progress):
        if progress.done == 2 and not killed:
            killed.extend(workers())
            for process in killed:
                os.kill(process, signal.SIGKILL)

    result = bulk(model_path, "encode", parts.folder, parts.out, cluster=cluster, report=kill, say=notes.append)
    assert killed
    assert any("it is done again" in note for note in notes), notes
    assert result.done == COUNT
    np.testing.assert_allclose(together(parts.out), diabolo.load(model_path).encode(parts.rows), atol=1e-6)
    assert names(parts.out) == [".lock", *(f"{each}.npy" for each in range(COUNT)), "manifest.json"]


def test_a_damaged_part_does_not_stop_the_workers(parts, model_path, cluster):
    (parts.folder / "1.npy").write_bytes(b"damaged")
    with pytest.raises(DataError, match=r"1 of 6 parts have no result: .*1\.npy: expected a \.npy file"):
        bulk(model_path, "encode", parts.folder, parts.out, cluster=cluster)
    assert [*states(parts.out).values()].count("done") == COUNT - 1


@pytest.mark.slow
def test_a_cluster_on_which_no_worker_can_start_is_an_error(parts, cluster):
    """Each worker is given a file that is not a model, as one of a newer Diabolo is not to an older one."""
    from diabolo.cluster import pool
    from diabolo.cluster.parts import Job, Part
    from diabolo.cluster.places import find

    notes, job = [], Job(folder=str(parts.out), verb="encode", ending=".npy")
    todo = [Part("0.npy", find(str(parts.folder / "0.npy"))[0])]
    with pytest.raises(ClusterError, match=r"no worker can start on the cluster: .*diabolo cluster check"):
        list(pool.run(b"not a model", job, todo, workers=None, say=notes.append))
    assert len([note for note in notes if "could not start" in note]) == pool.STARTS - 1


# Slow: real nodes, real losses


JOB = """
import json, sys
from diabolo.cluster import bulk
notes = []
def report(progress):
    print(progress.done, flush=True)
result = bulk(*sys.argv[1:4], sys.argv[4], cluster=sys.argv[5], keep=["id"], say=notes.append, report=report)
print(json.dumps({"done": result.done, "skipped": result.skipped, "rows": result.rows, "notes": notes}))
"""
WIDE = 64


@pytest.fixture
def large(tmp_path, rng):
    """Twelve Parquet parts of 100,000 rows with an id, and a model for them."""
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    (tmp_path / "parts").mkdir()
    rows = rng.normal(size=(100_000, WIDE)).astype(np.float32)
    for number in range(12):
        ids = np.arange(number * len(rows), (number + 1) * len(rows))
        columns = {f"x{at}": rows[:, at] for at in range(WIDE)}
        parquet.write_table(pa.table({"id": ids, **columns}), tmp_path / "parts" / f"{number:02}.parquet")
    frame = pa.table({f"x{at}": rows[:2000, at] for at in range(WIDE)})
    model = Autoencoder(8, structure=[512, 512], epochs=1, random_state=0).fit(frame)
    path = model.save(tmp_path / "m")
    expected = model.encode(pa.table({f"x{at}": rows[:5, at] for at in range(WIDE)})).to_pandas().to_numpy()
    return SimpleNamespace(
        parts=tmp_path / "parts", out=tmp_path / "out", model=path, expected=expected, count=1_200_000
    )


def check_large(large):
    """Check that each row is there once, and the first rows of each part."""
    import pyarrow as pa
    from pyarrow import parquet

    every = [parquet.read_table(path) for path in sorted(large.out.glob("*.parquet"))]
    ids = pa.concat_tables(every)["id"].to_numpy()
    np.testing.assert_array_equal(ids, np.arange(large.count))
    for each in every:
        np.testing.assert_allclose(each.drop(["id"]).slice(0, 5).to_pandas().to_numpy(), large.expected, atol=1e-5)
    found = json.loads((large.out / "manifest.json").read_text())
    for each in found["parts"]:
        assert each["sha256"] == hashlib.sha256((large.out / each["output"]).read_bytes()).hexdigest()
    assert names(large.out) == [".lock", *(f"{each:02}.parquet" for each in range(12)), "manifest.json"]


def follow(process, count):
    """Read the output of a job until so many parts are done."""
    for line in process.stdout:
        if line.strip().isdigit() and int(line) >= count:
            return
    raise AssertionError(process.stderr.read()[-3000:])


def command(large, address):
    return [sys.executable, "-c", JOB, large.model, "encode", large.parts, large.out, address]


@pytest.mark.slow
@clusters.needs_namespace
def test_a_lost_node_loses_no_row_and_a_new_one_is_used(large):
    with clusters.Nodes(1, 1) as nodes:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        with nodes.start(*command(large, nodes.address), **pipes) as process:
            follow(process, 2)
            nodes.kill("10.77.0.2")
            nodes.add(1)
            said, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors[-3000:]
        result = json.loads(said.splitlines()[-1])
        assert (result["done"], result["rows"]) == (12, large.count)
        assert any("it is done again" in note for note in result["notes"]), result["notes"]
        check_large(large)
        again = nodes.check(*command(large, nodes.address))
        assert json.loads(again.splitlines()[-1])["skipped"] == 12


@pytest.mark.slow
@clusters.needs_namespace
def test_a_killed_driver_loses_no_finished_part(large):
    with clusters.Nodes(2) as nodes:
        with nodes.start(
            *command(large, nodes.address), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            follow(process, 3)
            process.kill()
        again = json.loads(nodes.check(*command(large, nodes.address)).splitlines()[-1])
        assert again["skipped"] >= 3
        assert again["done"] == 12 - again["skipped"]
        check_large(large)


@pytest.mark.slow
@clusters.needs_namespace
def test_ctrl_c_on_a_cluster_leaves_no_scrap(large):
    with clusters.Nodes(2) as nodes:
        with nodes.start(
            *command(large, nodes.address), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            follow(process, 3)
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=120)
        assert process.returncode != 0
        found = states(large.out)
        done = [name for name, state in found.items() if state == "done"]
        assert 3 <= len(done) < 12
        assert names(large.out) == sorted([".lock", "manifest.json", *done])


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_a_part_that_ends_its_worker_each_time_is_given_up(large, cluster):
    """A thread kills every worker that has one certain part open, as the kernel does where memory runs out."""
    victim, stop, killed = str(large.parts / "05.parquet"), threading.Event(), set()

    def watch():
        while not stop.wait(0.005):
            for process in workers():
                for descriptor in Path(f"/proc/{process}/fd").glob("*"):
                    with contextlib.suppress(OSError):
                        if os.readlink(descriptor) == victim:
                            os.kill(process, signal.SIGKILL)
                            killed.add(process)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        with pytest.raises(DataError, match=r"1 of 12 parts have no result: .*05\.parquet: its worker ended 3 times"):
            bulk(large.model, "encode", large.parts, large.out, cluster=cluster, keep=["id"])
    finally:
        stop.set()
        thread.join()
    assert len(killed) == 3
    assert [name for name, state in states(large.out).items() if state != "done"] == ["05.parquet"]
    bulk(large.model, "encode", large.parts, large.out, keep=["id"])
    check_large(large)

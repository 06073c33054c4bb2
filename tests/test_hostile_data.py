"""Rows from an enemy: judged by what their headers announce, before memory is taken; one line each, and no code."""

import json
import subprocess
import sys

import numpy as np
import pytest

from hostile import data

MARGIN = 64 << 20  # bytes that a refusal may take on top of twice the size of the file
LIMIT = 64 << 20  # bytes that a user gives (memory=, --memory)

# Opens every file as fit() and encode() do and looks at all of its rows. Linux starts to count the peak anew where it
# is asked to.
READER = """
import gc, json, pathlib, re, sys, time
import numpy as np
from diabolo.data.opening import open_rows, open_stream
from diabolo.data.streams import Stream
from diabolo.errors import DiaboloError

LIMIT = int(sys.argv[1])

def memory(name):
    return int(re.search(name + r":\\s+(\\d+)", pathlib.Path("/proc/self/status").read_text())[1]) * 1024

def fit(path):
    opened = open_rows(path, LIMIT)
    for _ in opened.chunks(1 << 12) if isinstance(opened, Stream) else []:
        pass

def encode(path):
    for _ in open_stream(path).chunks(1 << 12):
        pass

gc.freeze()
for line in sys.stdin:
    path, checked = json.loads(line)
    for work in [fit, encode][: 2 if checked else 1]:
        gc.collect()
        pathlib.Path("/proc/self/clear_refs").write_text("5")
        before, start = memory("VmRSS"), time.process_time()
        try:
            work(path)
            said = ["accepted", ""]
        except DiaboloError as error:
            said = [type(error).__name__, str(error)]
        except BaseException as error:
            said = ["a bug", repr(error)]
        seconds = time.process_time() - start
        print(json.dumps([path, work.__name__, *said, seconds, memory("VmHWM") - before]), flush=True)
"""

# What only a limit refuses, because it is as large as it says: encode() has none, and goes through it.
LARGE = (
    "npz: 100 MB of zeros",
    "npz: columns of 100 MB of zeros",
    "npz: a member that claims 4 GB",
    "idx.gz: 100 MB that it announces",
)


def answers_of(files):
    """Return [path, verb, error, line, seconds, bytes] for each file, as a child process says that opens them all."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", READER, str(LIMIT)],
        input="\n".join(json.dumps([str(path), checked]) for path, checked in files),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A sound file of every kind, so that what is imported for it counts for none of the others."""
    import gzip

    import h5py
    import pyarrow as pa
    from PIL import Image
    from pyarrow import parquet
    from scipy import io

    from diabolo.data.formats import FORMATS

    folder, rows = tmp_path_factory.mktemp("sound"), np.arange(12.0).reshape(4, 3)
    np.save(folder / "a.npy", rows)
    np.savez(folder / "a.npz", rows)
    np.savez(folder / "b.npz", a=rows[:, 0], b=rows[:, 1])
    (folder / "a.idx.gz").write_bytes(gzip.compress(b"\0\0\x08\x02\0\0\0\x02\0\0\0\x02" + bytes(4)))
    parquet.write_table(pa.table({"a": rows[:, 0], "b": ["x", "y", "x", "y"]}), folder / "a.parquet")
    Image.new("L", (8, 8)).save(folder / "a.png")
    (folder / "a.csv").write_text("a,b\n1,x\n2,y\n")
    (folder / "a.csv.gz").write_bytes(gzip.compress(b"a,b\n1,x\n2,y\n"))
    table = pa.table({"a": [1.0, 2.5, 3.5] * 9, "b": ["x", "y", "x"] * 9})
    for each in FORMATS:
        if each.writes and each.endings[0] not in (".csv", ".parquet"):
            with (folder / f"a{each.endings[0]}").open("wb") as file:
                each.write([table], file)
    table.to_pandas().to_excel(folder / "a.ods", index=False, engine="odf")
    (folder / "a.arff").write_text("@attribute a numeric\n@attribute b {x,y}\n@data\n1,x\n2,y\n")
    io.savemat(folder / "a.mat", {"X": rows})
    with h5py.File(folder / "a.h5", "w") as file:
        file["X"] = rows
    return sorted(folder.iterdir())


def test_hostile_rows_are_refused_in_one_line_and_take_little_memory(sound, tmp_path):
    sentinel = tmp_path / "code was run"
    (tmp_path / "files").mkdir()
    files = data(tmp_path / "files", sentinel)
    names = {str(path): name for name, path in files.items()}
    checked = [(path, name not in LARGE) for name, path in files.items()]
    answers = [each for each in answers_of([(path, False) for path in sound] + checked) if each[0] in names]
    assert {path for path, *_ in answers} == set(names)
    for path, verb, error, line, _, taken in answers:
        where, size = f"{names[path]}, {verb}", files[names[path]].stat().st_size
        assert error in ("DataError", "ShapeError"), f"{where}: {error} {line[:300]}"
        assert "\n" not in line, where
        assert len(line) < 1000, f"{where}: {line[:300]}"
        assert taken <= 2 * size + MARGIN, f"{where}: {taken:,} bytes for a file of {size:,}"
    assert not sentinel.exists()
    slowest, most = (
        max((each[4], names[each[0]]) for each in answers),
        max((each[5], names[each[0]]) for each in answers),
    )
    print(f"{len(files)} files, slowest {slowest[0]:.2f} s ({slowest[1]}), most {most[0] >> 20} MiB ({most[1]})")


def test_sound_rows_are_taken(sound):
    assert {error for _, _, error, *_ in answers_of([(path, False) for path in sound])} == {"accepted"}

"""Model files from an enemy: none is taken, none runs code, none takes more than its size twice and 64 MiB."""

import contextlib
import copy
import json
import os
import random
import resource
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import diabolo
from diabolo import AnomalyDetector, Autoencoder
from diabolo.errors import DiaboloError, ModelFileError, OptionError, OutputError
from diabolo.model import file as modelfile
from diabolo.model.file import upgrade
from hostile import changed, models, parts, places, rebuild, with_json, with_tensor

QUICK = {"structure": [], "epochs": 1, "random_state": 0, "verbose": False}
MARGIN = 64 << 20  # bytes that a refusal may take on top of twice the size of the file
MOST = 4 << 30  # bytes of address space that a child may have, far below what some files claim

# Reads every file that is named to it, and prints the result, the time it took and the memory. Linux starts to
# count the peak anew where it is asked to.
READER = """
import gc, json, pathlib, re, sys, time
from diabolo.model import file as modelfile
from diabolo.errors import DiaboloError

def memory(name):
    return int(re.search(name + r":\\s+(\\d+)", pathlib.Path("/proc/self/status").read_text())[1]) * 1024

warm = sys.stdin.readline().strip()
if warm:
    modelfile.load(warm)
for path in map(str.rstrip, sys.stdin):
    gc.collect()
    pathlib.Path("/proc/self/clear_refs").write_text("5")
    before, start = memory("VmRSS"), time.process_time()
    try:
        modelfile.load(path)
        said = ["accepted", ""]
    except DiaboloError as error:
        said = [type(error).__name__, str(error)]
    except BaseException as error:
        said = ["a bug", repr(error)]
    print(json.dumps([path, *said, time.process_time() - start, memory("VmHWM") - before]), flush=True)
"""


@pytest.fixture(scope="session")
def sound(model_path):
    """The bytes of a sound model of pictures, of a table of every kind of column, and of a detector."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(60, 4))
    frame = pd.DataFrame({"wage": np.exp(4 * rows[:, 0]), "city": np.where(rows[:, 1] > 0, "Bern", "Zug")})
    frame["grade"] = pd.Categorical(np.array(list("abcd"))[rng.integers(0, 4, 60)])
    frame["member"], frame["visits"] = rows[:, 2] > 0, rng.poisson(3, 60)
    frame["born"] = pd.Timestamp("2000-01-01") + pd.to_timedelta(np.arange(60), unit="D")
    frame.loc[3, "wage"] = np.nan
    table = Autoencoder(2, types={"visits": "count"}, **QUICK).fit(frame).model_
    detector = AnomalyDetector(Autoencoder(2, **QUICK), random_state=0).fit(rows).model
    return {
        "digits": model_path.read_bytes(),
        "table": modelfile.to_bytes(table),
        "detector": modelfile.to_bytes(detector),
    }


@pytest.fixture(scope="session")
def files(sound, tmp_path_factory):
    """{name: path} of hostile files, and the sentinel that code in them would create."""
    folder = tmp_path_factory.mktemp("hostile")
    sentinel = folder / "code was run"
    made = places(folder, sound["digits"])
    for at, (name, content) in enumerate(models(**sound, sentinel=sentinel).items()):
        made[name] = folder / f"{at:03d}.safetensors"
        made[name].write_bytes(content)
    return made, sentinel


def limited():
    resource.setrlimit(resource.RLIMIT_AS, (MOST, MOST))


def answers_of(paths, *, warm=""):
    """Return [path, error, line, seconds, bytes] for each path, as a child process says that reads them all."""
    done = subprocess.run(
        [sys.executable, "-c", READER],
        input="\n".join([str(warm), *map(str, paths)]),
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
        preexec_fn=limited,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def check(name, path, error, line, taken):
    assert error == "ModelFileError", f"{name}: {error} {line}"
    assert "\n" not in line
    assert len(line) < 1000, f"{name}: {line[:300]}"
    size = path.stat().st_size if path.is_file() else 0
    assert taken <= 2 * size + MARGIN, f"{name}: {taken:,} bytes for a file of {size:,}"


def test_sound_files_are_taken(sound):
    for content in sound.values():
        assert modelfile.to_bytes(modelfile.from_bytes(content)) == content


def test_there_are_many_hostile_files(files):
    assert len(files[0]) >= 400


def test_every_hostile_file_is_refused_in_one_line_and_takes_little_memory(files, model_path):
    made, sentinel = files
    answers = answers_of(made.values(), warm=model_path)
    for (name, path), (_, error, line, _, taken) in zip(made.items(), answers, strict=True):
        check(name, path, error, line, taken)
    assert not sentinel.exists()
    slowest, most = max(answer[3] for answer in answers), max(answer[4] for answer in answers)
    print(f"{len(answers)} files, slowest {slowest:.2f} s, most {most / (1 << 20):.0f} MiB")


@pytest.mark.slow
def test_every_hostile_file_is_refused_as_an_older_file_too(sound, tmp_path, monkeypatch):
    newer = upgrade.FORMAT_VERSION + 1
    monkeypatch.setattr(upgrade, "FORMAT_VERSION", newer)
    monkeypatch.setattr(upgrade, "UPGRADES", upgrade.UPGRADES | {newer - 1: dict})
    for content in sound.values():
        assert modelfile.from_bytes(content)
    accepted = []
    for name, content in models(**sound, sentinel=tmp_path / "code was run").items():
        with contextlib.suppress(DiaboloError):
            modelfile.from_bytes(content)
            accepted.append(name)
    assert accepted == [f"config: format_version {newer}"]  # hostile only to the present version
    assert not list(tmp_path.iterdir())


def test_the_command_line_says_it_in_one_line_and_ends_with_2(cli, files):
    made, sentinel = files
    for name in ("a pipe", "zeros", "disguise: a pickle of protocol 2", "table: 2^52 levels"):
        done = cli("info", made[name])
        assert (done.code, done.out, done.err.count("\n")) == (2, "", 1), f"{name}: {done.err}"
    assert not sentinel.exists()


@pytest.mark.slow
@pytest.mark.parametrize(("columns", "bent"), [(5_500, 5_500), (33_000, 0), (22_000, 2_000)])
def test_a_table_as_wide_as_may_be_takes_no_more_either(columns, bent, model_path, tmp_path, rng):
    rows = rng.normal(size=(60, columns))
    rows[:, :bent] = np.exp(3 * rows[:, :bent])
    frame = pd.DataFrame(rows, columns=[f"column_{at}" for at in range(columns)])
    frame.insert(0, "city", ["Bern", "Zug"] * 30)
    content = modelfile.to_bytes(Autoencoder(2, **QUICK).fit(frame).model_)

    def last(schema):
        schema["columns"][-1]["name"] = "other"

    path = tmp_path / "wide.safetensors"
    path.write_bytes(with_json(content, "schema", last))
    (answer,) = answers_of([path], warm=model_path)
    check("wide", path, answer[1], answer[2], answer[4])
    assert "differs between the schema and the table" in answer[2]


@pytest.mark.slow
def test_every_hostile_file_is_refused_by_a_process_of_its_own(files, model_path):
    made, sentinel = files
    slowest = most = 0
    for name, path in made.items():
        ((_, error, line, seconds, taken),) = answers_of([path], warm=model_path)
        check(name, path, error, line, taken)
        assert seconds < 1, f"{name}: {seconds:.2f} s"
        slowest, most = max(slowest, seconds), max(most, taken)
    assert not sentinel.exists()
    print(f"{len(made)} processes, slowest {slowest:.2f} s, most {most / (1 << 20):.0f} MiB")


@pytest.mark.slow
def test_every_hostile_file_ends_the_command_line_with_2(command, files):
    made, sentinel = files
    for name, path in made.items():
        done = command("info", path)
        assert (done.code, done.out, done.err.count("\n")) == (2, "", 1), f"{name}: {done.err}"
    assert not sentinel.exists()


def test_a_name_with_a_nul_or_without_an_end_is_no_file():
    for name in ("a\0b", "a" * 5000, ""):
        with pytest.raises(ModelFileError, match=r"cannot be read|no model file"):
            diabolo.load(name)


# Whatever is saved is loaded.


def test_a_training_of_50_000_epochs_is_loaded_as_it_was_saved(fitted, tmp_path):
    curve = np.random.default_rng(0).normal(size=50_000).tolist()
    names = ("loss", "val_loss", "reconstruction", "val_reconstruction")
    record = replace(fitted.model_.record, history=dict.fromkeys(names, curve), best_epoch=49_999)
    path = modelfile.save(replace(fitted.model_, record=record), tmp_path / "long")
    assert modelfile.load(path).record.history == record.history


def test_thousands_of_columns_are_loaded_as_they_were_saved(tmp_path):
    rng = np.random.default_rng(0)
    wide = pd.DataFrame(np.exp(6 * rng.normal(size=(20, 2000)))).add_prefix("a column with a long name ")
    wide["city"] = "Zug"
    net = Autoencoder(2, **QUICK).fit(wide)
    path = net.save(tmp_path / "wide")
    np.testing.assert_array_equal(diabolo.load(path).encode(wide), net.encode(wide))


@pytest.mark.parametrize(
    ("columns", "declared", "message"),
    [
        ({"x" * 9_000_000: [1.0, 2.0] * 10}, False, "columns with their names and levels take"),
        ({f"{at} {'x' * 500}": [1.0, 2.0] * 10 for at in range(500)}, True, "network and settings take"),
    ],
    ids=["a long name", "types of all"],
)
def test_what_no_file_could_hold_is_said_before_it_is_trained(columns, declared, message):
    frame = pd.DataFrame(columns | {"city": ["Zug", "Uri"] * 10})
    types = dict.fromkeys(columns, "number") if declared else None
    with pytest.raises(OptionError, match=message):
        Autoencoder(1, **QUICK, types=types).fit(frame)


def test_a_weight_that_is_not_finite_is_never_saved(fitted, tmp_path):
    weights = dict(fitted.model_.weights)
    weights["bottleneck/bias"] = np.full(8, np.nan, np.float32)
    with pytest.raises(OutputError, match="holds NaN or infinity"):
        modelfile.save(replace(fitted.model_, weights=weights), tmp_path / "m")
    assert not list(tmp_path.iterdir())


# Mutants.

MUTANTS = int(os.environ.get("DIABOLO_MUTANTS", "2000"))


def mutant(content, chance):
    """Return a file that differs from a sound one by chance."""
    kind = chance.randrange(7)
    at, length = chance.randrange(len(content)), chance.choice([1, 2, 8, 64, 1000])
    if kind == 0:
        for _ in range(chance.choice([1, 1, 2, 8])):
            place = chance.randrange(8 * len(content))
            content = flipped(content, place)
        return content
    if kind == 1:
        return content[:at]
    if kind == 2:
        return content[:at] + content[at + length :]
    if kind == 3:
        return content[:at] + chance.randbytes(length) + content[at:]
    if kind == 4:
        return content[:at] + content[at : at + length] + content[at:]
    header, config, tensors = parts(content)
    if kind == 5:
        one, other = chance.sample([name for name in header if name != "__metadata__"], 2)
        header[one], header[other] = header[other], header[one]
        return rebuild(header, config, tensors)
    for _ in range(chance.choice([1, 1, 2, 4])):
        change(header if chance.random() < 0.3 else config, chance)
    if chance.random() < 0.3:
        tensors = flipped(tensors, chance.randrange(8 * len(tensors)))
    return rebuild(header, config, tensors)


def flipped(content, place):
    damaged = bytearray(content)
    damaged[place // 8] ^= 1 << (place % 8)
    return bytes(damaged)


ODD = (
    None,
    True,
    False,
    0,
    1,
    -1,
    2,
    7,
    1 << 31,
    1 << 53,
    10**30,
    0.5,
    1e300,
    "",
    "a",
    "relu",
    "a\nb",
    [],
    {},
    [[]],
    [1, 1],
)


def odd(chance):
    return copy.deepcopy(chance.choice(ODD))


def change(value, chance):
    """Change one value somewhere in a nest of JSON."""
    while True:
        keys = list(value) if isinstance(value, dict) else range(len(value))
        if not keys:
            return
        key = chance.choice(list(keys))
        if isinstance(value[key], (dict, list)) and value[key] and chance.random() < 0.9:
            value = value[key]
            continue
        what = chance.randrange(5)
        if what == 0:
            del value[key]
        elif what == 1 and isinstance(value, dict):
            value[chance.choice(["a", "kind", "name", "units"])] = odd(chance)
        elif what == 2 and isinstance(value[key], (int, float)):
            value[key] = value[key] + chance.choice([-1, 1, 0.5])
        elif what == 3 and isinstance(value, list):
            value.insert(key, odd(chance))
        else:
            value[key] = odd(chance)
        return


def survivors(contents, count, seed):
    """Return how many of so many mutants were taken; each of them is valid, and each other an error of ours."""
    chance, taken, lines = random.Random(seed), 0, set()
    for _ in range(count):
        file = mutant(chance.choice(contents), chance)
        try:
            model = modelfile.from_bytes(file)
        except DiaboloError as error:
            lines.add(str(error).count("\n"))
            continue
        taken += 1
        again = modelfile.from_bytes(modelfile.to_bytes(model))
        assert modelfile.to_bytes(again) == modelfile.to_bytes(model)
    assert lines == {0}
    return taken


@pytest.fixture(scope="module")
def small(sound, fitted_table):
    """Files of a few kilobytes, of which hardly a byte is a weight."""
    return [modelfile.to_bytes(fitted_table.model_), sound["table"], sound["detector"]]


def test_mutants_are_refused_or_are_models(small):
    start = time.perf_counter()
    taken = survivors(small, MUTANTS, seed=0)
    print(f"{MUTANTS:,} mutants, {taken:,} taken, {time.perf_counter() - start:.1f} s")


@pytest.mark.slow
def test_a_great_many_mutants_are_refused_or_are_models(small):
    start, count = time.perf_counter(), int(os.environ.get("DIABOLO_MUTANTS", "100000"))
    taken = survivors(small, count, seed=1)
    print(f"{count:,} mutants, {taken:,} taken, {time.perf_counter() - start:.1f} s")


def test_one_setting_changed_and_signed_is_another_model_that_is_saved_as_it_is(sound):
    other = changed(sound["digits"], "record", "source", to="other rows")
    assert modelfile.from_bytes(other).record.source == "other rows"
    same = with_tensor(sound["digits"], "record/loss", lambda old: old)
    assert modelfile.from_bytes(same).record == modelfile.from_bytes(sound["digits"]).record

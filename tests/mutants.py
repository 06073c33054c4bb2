"""Mutants of meaning: model files that are signed and well formed, but say something else than the sound one did."""

import copy
import json

import numpy as np

from hostile import parts, rebuild

KINDS = (
    "number count boolean category date array image series table gaussian huber bernoulli poisson categorical ssim "
    "masked plain ordered sparse quantized refined dense residual batch_normalization layer_normalization dropout "
    "activation lstm gru"
)
ARROW = (
    "int8|uint64|int64|halffloat|float|double|bool|string|large_string|string_view|date32[day]|date64[ms]|timestamp[s]|"
    "timestamp[ns]|timestamp[us, tz=UTC]|timestamp[us, tz=Nowhere/Land]|timestamp[ns, tz=+01:00]|duration[ns]|"
    "time32[s]|time64[us]|decimal128(9, 2)|decimal256(76, 70)|decimal128(3, -99)|decimal128(5, 38)"
)
NATIVE = (
    "|object|int8|Int64|float32|bool|boolean|category|str|string|datetime64[ns]|datetime64[s, UTC]|timedelta64[s]|O|"
    "double[pyarrow]|Enum(categories=['a'])|Categorical|complex128|dictionary<values=string, indices=int8, ordered=0>|"
    "dictionary<indices=uint999>|Sparse[float64, nan]|period[D]|no such type"
)
FOUR = [["a", "b", "c", "d"], [1, 2, 3, 4], [1.5, 2.5, 3.5, 4.5], ["", "\ud800", "b", "c"], [2**70, 1, 2, 3]]
# What a file could say in place of what it says, by key.
PLAUSIBLE = {
    "kind": KINDS.split(),
    "activation": ["linear", "relu", "exponential", "softplus", "softmax", "elu", "gelu"],
    "function": ["max", "average", "exponential", "softmax"],
    "dtype": ["bool", "uint8", "int64", "float16", "float32", "float64"],
    "library": ["pandas", "polars", "pyarrow", "array"],
    "arrow": ARROW.split("|"),
    "native": NATIVE.split("|"),
    "levels": [["a", "b"], [1, 2], [True, False], ["a\0b", "c"], [""], 4, 2, *FOUR],
    "name": ["", "a", "0", "1", "\ud800", "a\nb", "level", "__index_level_0__", "x" * 300],
    "penalty": [None, "mmd", "mmd:100", "mmd:nan", "contractive", {"kind": "mmd", "weight": 1e300}],
    "corruption": [None, "auto", "masking:0.3", "nonsense"],
    "structure": ["dense", [], [32], [[32]], [{"kind": "dense"}], [{"kind": "flatten", "name": ""}], "\ud800"],
    "source": ["rows.csv", "", "\ud800", "a\x1b[31mb", "\u202ename"],
    "latent_dim": [1, 2, 3, 4, 10**9, "auto", None],
    "bottleneck": ["plain", "gaussian:beta=4", "nonsense"],
    "false_alarm_rate": [None, 0.01, 2.0, -1.0, 1e300],
    "contamination": [0.1, 0.0, 0.9, -1.0, 1e300],
}
NUMBERS = [0, 1, -1, 2, 7, 255, 1 << 31, 0.0, -0.0, 0.5, -2.5, 1e-3, 1e-18, 1e-160, 1e-320]
NUMBERS += [1e6, 1e18, 1e30, -1e30, 3e38, 1e149, 1e155, 1e300, -1e300]
FLOATS = [0.0, -1.0, 1.0, 1e-3, 1e3, 1e8, 1e14, -1e14, 1e16, 3e38, -3e38]
FLOATS += [1e-15, 1e-30, 1e-149, 1e-160, 1e-320, 1e100, 1e149, 1e300]
ODD = [None, True, False, "", "a", [], {}, [1, 1]]


def mutant(content, chance):
    """Return a signed file that says something else than a sound one, and what was changed."""
    header, config, tensors = parts(content)
    del config["sha256"]
    texts = {
        name: json.loads(tensors[slice(*header[name]["data_offsets"])])
        for name in ("adapter/table", "schema")
        if name in header
    }
    changes = []
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        what = chance.random()
        if what < 0.35:
            name = chance.choice([name for name in header if name != "__metadata__" and name not in texts])
            changes.append(name)
            tensors = _with_other_numbers(header[name], tensors, chance)
        elif "schema" in texts and what < 0.5:
            changes.append(_retype(chance.choice(texts["schema"]["columns"]), chance))
        elif texts and what < 0.8:
            changes.append(_change(chance.choice([*texts.values()]), chance))
        else:
            nests = [config[key] for key in config if isinstance(config[key], dict)]
            changes.append(_change(chance.choice(nests), chance))
    pieces, at = [], 0
    for name in sorted((each for each in header if each != "__metadata__"), key=lambda n: header[n]["data_offsets"]):
        piece = tensors[slice(*header[name]["data_offsets"])]
        if name in texts:
            piece = json.dumps(texts[name]).encode()
            header[name]["shape"] = [len(piece)]
        header[name]["data_offsets"] = [at, at + len(piece)]
        pieces.append(piece)
        at += len(piece)
    return rebuild(header, config, b"".join(pieces)), changes


def _retype(column, chance):
    """Give a column another type in place, and half of the time levels and a flag that could go with it."""
    column["arrow"] = chance.choice(PLAUSIBLE["arrow"])
    if chance.random() < 0.5:
        column["native"] = chance.choice(PLAUSIBLE["native"])
    if column["levels"] and chance.random() < 0.7:
        column["levels"] = copy.deepcopy(chance.choice(PLAUSIBLE["levels"]))
    if chance.random() < 0.3:
        flag = chance.choice(["coded", "ordered", "whole"])
        column[flag] = not column[flag]
    return dict(column)


def _change(nest, chance):
    """Change one value of a nest of JSON in place; return the way to it and what it became."""
    leaves = list(_leaves(nest))
    path, place, key = chance.choice(leaves)
    named = next((step for step in reversed(path) if isinstance(step, str)), "")
    what = chance.randrange(6)
    if what == 0:  # swapped with another value of the same name
        others = [each for each in leaves if each[0][-1] == path[-1]]
        _, other, at = chance.choice(others)
        place[key], other[at] = other[at], place[key]
    elif what == 1 and isinstance(place, list) and len(place) > 1:
        chance.shuffle(place)
    elif what == 2:
        place[key] = copy.deepcopy(chance.choice(ODD))
    elif what == 3 and type(place[key]) is bool:
        place[key] = not place[key]
    elif isinstance(place[key], (int, float)) and type(place[key]) is not bool:
        number = chance.choice(NUMBERS)
        place[key] = type(place[key])(number) if chance.random() < 0.8 else number
    else:
        place[key] = copy.deepcopy(chance.choice(PLAUSIBLE.get(named, ODD)))
    return [*path, place[key]]


def _leaves(nest, path=()):
    """Give (path, container, key) of every value, containers of values included."""
    for key in nest if isinstance(nest, dict) else range(len(nest)):
        yield (*path, key), nest, key
        if isinstance(nest[key], (dict, list)):
            yield from _leaves(nest[key], (*path, key))


def _with_other_numbers(entry, tensors, chance):
    start, end = entry["data_offsets"]
    kind = {"F32": "<f4", "F64": "<f8", "I32": "<i4", "U8": "u1"}[entry["dtype"]]
    numbers = np.frombuffer(tensors[start:end], kind).copy()
    if not len(numbers):
        return tensors
    what, at = chance.randrange(5), chance.randrange(len(numbers))
    with np.errstate(all="ignore"):
        if numbers.dtype.kind != "f":
            numbers[at] = chance.randrange(100)
        elif what == 0:
            numbers[:] = chance.choice(FLOATS)
        elif what == 1:
            numbers *= numbers.dtype.type(chance.choice(FLOATS))
        elif what == 2:
            numbers[:] = numbers[::-1].copy()
        else:
            numbers[at] = chance.choice(FLOATS)
    return tensors[:start] + numbers.tobytes() + tensors[end:]

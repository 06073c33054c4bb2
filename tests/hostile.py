"""Makers of files that come from an enemy: a sound model file taken apart, changed, and put together again."""

import json
import struct
from pathlib import Path

from diabolo.model import file as modelfile
from diabolo.model.file import upgrade

BY_DRAWS = Path(__file__).parent / "golden" / "detector-v3.safetensors"  # its detector has facts of before
NEWER = upgrade.FORMAT_VERSION + 1  # tests that change the present version still mean this one


def parts(content):
    """Return (header, config, tensors) of a model file."""
    length = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + length])
    return header, json.loads(header["__metadata__"]["diabolo"]), content[8 + length :]


def rebuild(header, config, tensors, *, sign=True):
    """Return a file of these parts, with a checksum that fits unless `sign` is False."""
    config = dict(config)
    if sign:
        config.pop("sha256", None)
        config["sha256"] = modelfile.checksum(config, tensors)
    header = header | {"__metadata__": {"diabolo": json.dumps(config)}}
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + tensors


def changed(content, *path, to=None, part="config", drop=False):
    """Return a signed file with one value of its configuration, or of a header entry, changed.

    Args: path: keys and places, from the top; to: the new value, or a function of the old one; drop: take it out.
    """
    header, config, tensors = parts(content)
    place = {"config": config, "header": header}[part]
    for key in path[:-1]:
        place = place[key]
    if drop:
        del place[path[-1]]
    else:
        place[path[-1]] = to(place[path[-1]]) if callable(to) else to
    return rebuild(header, config, tensors)


def with_tensor(content, name, change):
    """Return a signed file with the bytes of one tensor changed, and all sizes with them."""
    header, config, tensors = parts(content)
    pieces, at = [], 0
    for each in sorted((each for each in header if each != "__metadata__"), key=lambda n: header[n]["data_offsets"]):
        start, end = header[each]["data_offsets"]
        piece = tensors[start:end]
        if each == name:
            piece = change(piece)
            if header[each]["dtype"] in ("U8", "F64") and len(header[each]["shape"]) == 1:
                header[each]["shape"] = [len(piece) // {"U8": 1, "F64": 8}[header[each]["dtype"]]]
        header[each]["data_offsets"] = [at, at + len(piece)]
        pieces.append(piece)
        at += len(piece)
    return rebuild(header, config, b"".join(pieces))


def with_json(content, name, change):
    """Return a signed file whose tensor of JSON was changed by a function that changes it in place, or is its text."""

    def piece(old):
        if not callable(change):
            return change if isinstance(change, bytes) else change.encode()
        value = json.loads(old)
        change(value)
        return json.dumps(value).encode()

    return with_tensor(content, name, piece)


def headed(text, rest=b""):
    """Return a file with a header of its own."""
    raw = text if isinstance(text, bytes) else text.encode()
    return struct.pack("<Q", len(raw)) + raw + rest


def configured(content, text):
    """Return a file whose configuration is any text, unsigned."""
    header, _, tensors = parts(content)
    return headed(json.dumps(header | {"__metadata__": {"diabolo": text}}), tensors)


class Payload:
    """Makes an empty file where it is unpickled."""

    def __init__(self, sentinel):
        self.sentinel = sentinel

    def __reduce__(self):
        return exec, (f"open({self.sentinel!r}, 'w')",)


def models(digits, table, detector, sentinel):
    """Return {name: bytes} of model files, none of which is one.

    Args: digits, table, detector: the bytes of sound ones; sentinel: a path that code in them would create.
    """
    return {
        **_cut(digits),
        **_headers(digits),
        **_tensors(digits),
        **_configs(digits),
        **_networks(digits),
        **_adapters(digits),
        **_records(digits),
        **_tables(table),
        **_schemas(table),
        **_detectors(detector),
        **_detectors_by_draws(BY_DRAWS.read_bytes()),
        **_disguised(digits, sentinel),
    }


def places(folder, sound):
    """Make what is no file at all, or more than any may be, and return {name: path}."""
    import os

    made = {name: folder / f"{name}.safetensors" for name in ("a pipe", "a folder", "a loop", "a link to nowhere")}
    os.mkfifo(made["a pipe"])
    made["a folder"].mkdir()
    made["a loop"].symlink_to(made["a loop"])
    made["a link to nowhere"].symlink_to(folder / "nowhere")
    for name, device in (("zeros", "/dev/zero"), ("nothing", "/dev/null"), ("chance", "/dev/urandom")):
        made[name] = folder / f"{name}.safetensors"
        made[name].symlink_to(device)
    header = b"\xff\xff\x0f" + bytes(5)
    for name, start, size in (
        ("4 GiB of nothing", b"", 4 << 30),
        ("4 GiB after a header", sound, 4 << 30),
        ("4 GiB after a header of 1 MiB", header, 4 << 30),
        ("more than 4 GiB", sound, (4 << 30) + 1),
        ("a terabyte", sound, 1 << 40),
    ):
        made[name] = folder / f"{name}.safetensors"
        with made[name].open("wb") as file:  # sparse: takes no room on the disk
            file.write(start)
            file.truncate(size)
    return made


def _cut(sound):
    length = struct.unpack("<Q", sound[:8])[0]
    files = {f"cut at {at}": sound[:at] for at in (0, 1, 7, 8, 9, 10, length // 2, 8 + length - 1, 8 + length)}
    files |= {"cut by one": sound[:-1], "one more": sound + b"\0", "cut in half": sound[: len(sound) // 2]}
    for name, announced in {
        "0": 0,
        "1": 1,
        "one less": length - 1,
        "one more": length + 1,
        "all": len(sound),
        "2^20 + 1": (1 << 20) + 1,
        "2^31": 1 << 31,
        "2^63": 1 << 63,
        "2^64 - 1": (1 << 64) - 1,
    }.items():
        files[f"a header of {name} bytes"] = struct.pack("<Q", announced) + sound[8:]
    files["a header length the other way round"] = struct.pack(">Q", length) + sound[8:]
    files["one flipped bit of a weight"] = sound[:-9] + bytes([sound[-9] ^ 1]) + sound[-8:]
    files["one weight changed, not signed"] = rebuild(*_first(sound, struct.pack("<f", 0.5)), sign=False)
    return files


def _first(sound, value):
    header, config, tensors = parts(sound)
    at = header["bottleneck/kernel"]["data_offsets"][0]
    return header, config, tensors[:at] + value + tensors[at + len(value) :]


def _headers(sound):
    mebi = 1 << 20
    opened = '{"a":' * 33 + "0" + "}" * 33
    entry = '{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'
    header, _, tensors = parts(sound)
    length = struct.unpack("<Q", sound[:8])[0]
    raw = sound[8 : 8 + length]
    files = {
        "1 MiB of [": "[" * mebi,
        "1 MiB of {": '{"a":' * (mebi // 5),
        "1 MiB of ]": "{" + "]" * (mebi - 1),
        "1 MiB of commas": "{" + "," * (mebi - 1),
        "1 MiB of quotes": "{" + '"' * (mebi - 1),
        "1 MiB of backslashes": '{"' + "\\" * (mebi - 2),
        "1 MiB of one number": '{"a":' + "9" * (mebi - 6) + "}",
        "1 MiB of empty objects": '{"a":[' + "{}," * (mebi // 3 - 4) + "{}]}",
        "1 MiB of short texts": '{"a":[' + '"ab",' * (mebi // 5 - 4) + "0]}",
        "1 MiB of keys": "{" + ",".join(f'"{at:05x}":0' for at in range(mebi // 10 - 1)) + "}",
        "as many tensors as there is room for": "{" + ",".join(f'"{at}":{entry}' for at in range(19_000)) + "}",
        "2,049 tensors": "{" + ",".join(f'"{at}":{entry}' for at in range(2_049)) + "}",
        "nested 33 deep": opened,
        "nested 33 deep in lists": '{"a":' + "[" * 33 + "]" * 33 + "}",
        "a list": "[]",
        "a text": '"{}"',
        "null": "null      ",
        "nothing but spaces": " " * 99,
        "empty": "{}        ",
        "two objects": "{}{}      ",
        "a comment": "{} // that",
        "a key twice": '{"a":1,"a":1}',
        "the metadata twice": '{"__metadata__":{},"__metadata__":{}}',
        "NaN": '{"a":NaN   }',
        "-Infinity": '{"a":-Infinity}',
        "1e999": '{"a":1e999 }',
        "metadata that is a list": '{"__metadata__":[]}',
        "metadata that is a number": '{"__metadata__":{"diabolo":1}}',
        "metadata of others": '{"__metadata__":{"format":"pt"}}',
        "metadata with more": '{"__metadata__":{"diabolo":"{}","more":"{}"}}',
        "a NUL": '{"a":"\0"}  ',
        "half a surrogate": '{"\\ud800":1}',
    }
    made = {f"header: {name}": headed(text) for name, text in files.items()}
    made["header: no UTF-8"] = headed(b'{"a":"\xff\xfe"}')
    made["header: UTF-16"] = headed('{"a":1,"b":2}'.encode("utf-16"))
    made["header: a byte order mark"] = headed(b"\xef\xbb\xbf" + raw, tensors)
    made["header: a million tensors"] = headed("{" + ",".join(f'"{at}":{entry}' for at in range(1_000_000)) + "}")
    made["header: 4 MiB of spaces after it"] = headed(raw + b" " * (4 * mebi), tensors)
    made["header: a tensor twice"] = headed(
        raw[:-1].rstrip(b"} ") + b'},"bottleneck/bias":' + entry.encode() + b"}", tensors
    )
    made["header: no metadata"] = headed(
        json.dumps({key: header[key] for key in header if key != "__metadata__"}), tensors
    )
    return made


def _tensors(sound):
    header, config, tensors = parts(sound)
    size = len(tensors)

    def entry(**new):
        return rebuild(header | {"bottleneck/bias": header["bottleneck/bias"] | new}, config, tensors)

    start, end = header["bottleneck/bias"]["data_offsets"]
    kernel = header["bottleneck/kernel"]["shape"]
    shapes = {
        "true": [True],
        "8.0": [8.0],
        "negative": [-8],
        "a text": ["8"],
        "no list": 8,
        "null": None,
        "empty": [],
        "an axis more": [8, 1],
        "2^62": [1 << 62],
        "10^400": [10**400],
        "a product that overflows": [1 << 32, 1 << 32],
        "nested": [[8]],
        "an object": {"0": 8},
    }
    offsets = {
        "true": [True, 33],
        "floats": [float(start), float(end)],
        "negative": [-32, 0],
        "the wrong way": [end, start],
        "texts": [str(start), str(end)],
        "three": [start, end, end],
        "one": [start],
        "null": None,
        "over another": [0, end - start],
        "beyond the end": [size, size + end - start],
        "2^63": [1 << 63, (1 << 63) + 32],
        "10^400": [10**400, 10**400 + 32],
    }
    kinds = {"F64": "F64", "no such": "F31", "a number": 32, "I32": "I32", "null": None, "a list": ["F32"]}
    made = {f"tensor: a shape of {name}": entry(shape=shape) for name, shape in shapes.items()}
    made |= {f"tensor: offsets of {name}": entry(data_offsets=both) for name, both in offsets.items()}
    made |= {f"tensor: a type of {name}": entry(dtype=kind) for name, kind in kinds.items()}
    turned = header | {"bottleneck/kernel": header["bottleneck/kernel"] | {"shape": kernel[::-1]}}
    made["tensor: a matrix turned over"] = rebuild(turned, config, tensors)
    made["tensor: true for an axis of 1"] = changed(sound, "adapter/scale", "shape", to=[True], part="header")
    shape = [float(each) for each in kernel]
    made["tensor: floats in a matrix"] = changed(sound, "bottleneck/kernel", "shape", to=shape, part="header")
    made["tensor: one more key"] = entry(code="import os")
    made["tensor: a key less"] = changed(sound, "bottleneck/bias", "dtype", drop=True, part="header")
    made["tensor: a list"] = rebuild(header | {"bottleneck/bias": []}, config, tensors)
    made["tensor: one too few"] = changed(sound, "bottleneck/bias", drop=True, part="header")
    made["tensor: one too many"] = rebuild(header | {"more": header["bottleneck/bias"]}, config, tensors)
    made["tensor: another name"] = rebuild(
        {key if key != "bottleneck/bias" else "../bias": value for key, value in header.items()}, config, tensors
    )
    gapped = {
        name: value | {"data_offsets": [at + 8 for at in value["data_offsets"]]} if name != "__metadata__" else value
        for name, value in header.items()
    }
    made["tensor: a gap before all"] = rebuild(gapped, config, bytes(8) + tensors)
    made["tensor: bytes after all"] = rebuild(header, config, tensors + bytes(8))
    for name, value in (("NaN", float("nan")), ("infinity", float("inf")), ("-infinity", float("-inf"))):
        made[f"tensor: a weight of {name}"] = rebuild(*_first(sound, struct.pack("<f", value)))
    for curve in ("loss", "val_loss"):
        made[f"tensor: {curve} is NaN"] = with_tensor(sound, f"record/{curve}", lambda old: b"\xff" * len(old))
    for value in (3e38, -1e20):
        made[f"tensor: a weight of {value}"] = rebuild(*_first(sound, struct.pack("<f", value)))
    for name, value in (("scale", 1e-320), ("scale", 1e300), ("scale", 0.0), ("offset", 1e300), ("offset", 1.0)):
        made[f"tensor: {name} {value}"] = with_tensor(
            sound, f"adapter/{name}", lambda old, value=value: struct.pack("<d", value)
        )
    made["tensor: a scale below 0"] = with_tensor(sound, "adapter/scale", lambda old: struct.pack("<d", -1.0))
    made["tensor: a scale of infinity"] = with_tensor(
        sound, "adapter/scale", lambda old: struct.pack("<d", float("inf"))
    )
    return made


def _configs(sound):
    _, config, _ = parts(sound)
    text = json.dumps(config)
    made = {
        "config: empty": configured(sound, ""),
        "config: a list": configured(sound, "[]"),
        "config: no JSON": configured(sound, "import os"),
        "config: a key twice": configured(sound, text[:-1] + ', "schema": false}'),
        "config: NaN": configured(sound, text[:-1] + ', "more": NaN}'),
        "config: 257 KiB": configured(sound, text + " " * (257 << 10)),
        "config: nested deep": configured(sound, text[:-1] + ', "more": ' + "[" * 40 + "]" * 40 + "}"),
        "config: half a surrogate": changed(sound, "diabolo_version", to="\ud800" * 9, part="config")[:-1],
        "config: a checksum of another kind": rebuild(*parts(sound), sign=False).replace(
            b'sha256\\": \\"', b'sha256\\": \\"0', 1
        ),
        "config: one more key": changed(sound, "code", to="import os"),
    }
    for key in config:
        if key != "sha256":
            made[f"config: no {key}"] = changed(sound, key, drop=True)
    for value in (0, NEWER, -1, True, 1.0, "1", None, [1], 10**400):
        made[f"config: format_version {value!r:.20}"] = changed(sound, "format_version", to=value)
    wrong = {
        "diabolo_version": 1,
        "network": [],
        "adapter": "image",
        "schema": 1,
        "series": 1,
        "detection": {},
        "reconstruction_loss": "gaussian",
        "record": [],
    }
    made |= {f"config: {key} of another type": changed(sound, key, to=value) for key, value in wrong.items()}
    for name, value in {
        "of no kind": {"kind": "gausian"},
        "of a table": {"kind": "mixed"},
        "with code": {"kind": "gaussian", "code": "os.system"},
        "of a list": {"kind": ["gaussian"]},
        "of a series": {"kind": "masked"},
    }.items():
        made[f"config: a loss {name}"] = changed(sound, "reconstruction_loss", to=value)
    made["config: a schema that is not there"] = changed(sound, "schema", to=True)
    made["config: names of series that are not there"] = changed(sound, "series", to=True)
    return made


def _networks(sound):
    def dense(**new):
        return {"kind": "dense", "name": "a", "units": 8, "activation": "linear", "use_bias": True} | new

    many = [dense(name=f"a{at}") for at in range(257)]
    wide = [{"kind": "reshape", "name": "a", "shape": [28, 28, 1]}]
    upsampled = [{"kind": "upsampling", "name": "a", "shape": [28 * 1023, 28 * 1023], "size": 1023}]
    files = {
        "257 layers": ("encoder", many),
        "10,000 layers": ("encoder", [{}] * 10_000),
        "a layer that is code": ("encoder", [{"kind": "lambda", "name": "a", "code": "__import__('os')"}]),
        "a layer of Keras": ("encoder", [{"class_name": "Lambda", "config": {"function": "os.system"}}]),
        "a layer that is a text": ("encoder", ["dense"]),
        "layers that are an object": ("encoder", {"kind": "dense"}),
        "no layers": ("encoder", None),
        "0 units": ("encoder", [dense(units=0)]),
        "-1 units": ("encoder", [dense(units=-1)]),
        "true units": ("encoder", [dense(units=True)]),
        "8.0 units": ("encoder", [dense(units=8.0)]),
        "'8' units": ("encoder", [dense(units="8")]),
        "2^31 units": ("encoder", [dense(units=1 << 31)]),
        "2^52 units": ("encoder", [dense(units=1 << 52)]),
        "10^400 units": ("encoder", [dense(units=10**400)]),
        "no bias of 0": ("encoder", [dense(use_bias=0)]),
        "an activation that is code": ("encoder", [dense(activation="eval")]),
        "an activation that is a list": ("encoder", [dense(activation=["relu"])]),
        "a name that leaves the folder": ("encoder", [dense(name="../../a")]),
        "a name of two lines": ("encoder", [dense(name="a\nb")]),
        "a name that is reserved": ("encoder", [dense(name="adapter")]),
        "a name of 100,000 letters": ("encoder", [dense(name="a" * 100_000)]),
        "two layers of one name": ("encoder", [dense(), dense()]),
        "a layer with a key more": ("encoder", [dense(code="x")]),
        "a layer with a key less": ("encoder", [{"kind": "dense", "name": "a"}]),
        "a shape of huge products": ("encoder", [{"kind": "reshape", "name": "a", "shape": [1 << 30] * 8}]),
        "a shape of 10,000 axes": ("encoder", [{"kind": "reshape", "name": "a", "shape": [1 << 30] * 10_000}]),
        "a shape of booleans": ("encoder", [{"kind": "reshape", "name": "a", "shape": [True, 784]}]),
        "an activation of 800 million numbers": ("encoder", wide + upsampled),
        "a dropout of more than all": (
            "encoder",
            [{"kind": "dropout", "name": "a", "rate": 2.0}],
        ),
        "a bottleneck that is none": ("bottleneck", {"kind": "plain"}),
        "a bottleneck of no kind": ("bottleneck", {"kind": "plane", "latent_dim": 8}),
        "a bottleneck that is a text": ("bottleneck", "plain"),
        "10^9 latents": ("bottleneck", lambda old: old | {"latent_dim": 10**9}),
        "true latents": ("bottleneck", lambda old: old | {"latent_dim": True}),
        "0 latents": ("bottleneck", lambda old: old | {"latent_dim": 0}),
        "no decoder": ("decoder", []),
        "rows of 2^31": ("input_shape", [1 << 31]),
        "rows of 10^4000": ("input_shape", [10**4000]),
        "rows of 10,000 axes": ("input_shape", [1 << 30] * 10_000),
        "rows of 8 huge axes": ("input_shape", [1 << 30] * 8),
        "rows of booleans": ("input_shape", [28, 28, True]),
        "rows of floats": ("input_shape", [28.0, 28.0, 1.0]),
        "rows of nothing": ("input_shape", [28, 0, 1]),
        "rows of no axes": ("input_shape", []),
        "rows of a text": ("input_shape", "28"),
    }
    made = {f"network: {name}": changed(sound, "network", key, to=to) for name, (key, to) in files.items()}
    made["network: one more key"] = changed(sound, "network", "code", to="x")
    made["network: a key less"] = changed(sound, "network", "decoder", drop=True)
    return made


def _adapters(sound):
    values = {
        "kind": ["tables", "array", "series", "table", ["image"], None, 1],
        "row_shape": [[28], [28, 27], [28.0, 28.0], [True, 784], [-28, -28], "28", [10**400, 1], [1] * 10_000, []],
        "dtype": ["object", "float128", 8, None, ["uint8"], "<script>"],
        "bounded": [1, 0.0, "true", None],
        "gaps": [True, 0, "false", None],
    }
    made = {
        f"adapter: {key} {value!r:.30}": changed(sound, "adapter", key, to=value)
        for key, several in values.items()
        for value in several
    }
    made["adapter: rows in [0, 1] for squares"] = changed(
        sound,
        "reconstruction_loss",
        to=lambda old: (
            {"kind": "gaussian", "variance": "fixed"} if old["kind"] == "bernoulli" else {"kind": "bernoulli"}
        ),
    )
    made["adapter: one more key"] = changed(sound, "adapter", "code", to="x")
    made["adapter: a key less"] = changed(sound, "adapter", "gaps", drop=True)
    return made


def _records(sound):
    _, config, _ = parts(sound)
    made = {f"record: no {key}": changed(sound, "record", key, drop=True) for key in config["record"]}
    made["record: one more key"] = changed(sound, "record", "code", to="x")
    values = {
        "rows": [True, 0, -1, 1.5, "9", None],
        "validation_rows": [-1, 1.5],
        "learning_rate": [1, "fast", None],
        "best_epoch": [0, 99, True, 1.0],
        "history": [
            [],
            {"loss": -1},
            {"loss": True},
            {"loss": 1.5},
            {"loss": 1 << 61},
            {"loss": [0.5]},
            {"code": 1},
            {},
        ],
        "compiled": [1],
        "source": [1, None],
        "versions": [[], {"diabolo": 1}],
        "settings": [[], {}],
    }
    made |= {
        f"record: {key} {value!r:.30}": changed(sound, "record", key, to=value)
        for key, several in values.items()
        for value in several
    }
    settings = {
        "epochs": [True, 1.5],
        "corruption": [{}, {"kind": "masking", "share": 0.1}, 1],
        "types": [{"a": 1}, []],
        "tied": [0],
        "structure": [1, [{"kind": "dense"}], [[{"kind": "lambda"}], []], "\ud800"],
        "penalty": ["nonsense", "mmd:nan", "mmd:-1"],
    }
    made |= {
        f"record: setting {key} {value!r:.40}": changed(sound, "record", "settings", key, to=value)
        for key, several in settings.items()
        for value in several
    }
    return made


def _tables(sound):
    def feature(at, **new):
        return lambda table: table["features"][at].update(new)

    header, _, tensors = parts(sound)
    start, end = header["adapter/table"]["data_offsets"]
    table = json.loads(tensors[start:end])
    category = next(at for at, each in enumerate(table["features"]) if each["kind"] == "category")
    number = next(at for at, each in enumerate(table["features"]) if each["kind"] == "number")
    text = json.dumps(table)
    files = {
        "no UTF-8": b"\xff" * 99,
        "NUL bytes": bytes(99),
        "no JSON": "import os",
        "a list": "[]",
        "a key twice": text[:-1] + ', "gaps": true}',
        "NaN": text[:-1] + ', "gaps": NaN}',
        "nested deep": '{"features":' + "[" * 40 + "]" * 40 + "}",
        "8 MiB of empty objects": '{"features":[' + "{}," * ((8 << 20) // 3 - 9) + "{}]}",
        "500,000 empty objects": '{"features":[' + "{}," * 500_000 + "{}]}",
        "objects in each other": '{"features":[' + ('{"kind":' * 29 + "0" + "}" * 29 + ",") * 8_000 + "{}]}",
        "as many objects in each other as may be": '{"features":['
        + ('{"kind":' * 29 + '"ab"' + "}" * 29 + ",") * 8_800
        + "{}]}",
        "8 MiB with an emoji": '{"names":["' + "a" * ((8 << 20) - 99) + '\N{GRINNING FACE}"]}',
        "8 MiB with an emoji in ASCII": '{"names":["' + "a" * ((8 << 20) - 99) + '\\ud83d\\ude00"]}',
        "100,000 small objects": '{"features":[' + '{"kind":"ab"},' * 100_000 + "{}]}",
        "250,000 small objects": '{"features":[' + '{"kind":"ab"},' * 250_000 + "{}]}",
        "500,000 short texts": '{"names":[' + '"ab",' * 500_000 + '"c"]}',
        "500,000 keys": "{" + ",".join(f'"{at:05x}":0' for at in range(500_000)) + "}",
        "more than 8 MiB": '{"names":["' + "a" * (8 << 20) + '"]}',
        "8 MiB of backslashes": '{"names":["' + "\\\\" * ((4 << 20) - 99) + '"]}',
        "one more key": lambda t: t.update(code="x"),
        "a key less": lambda t: t.pop("gaps"),
        "gaps of 1": lambda t: t.update(gaps=1),
        "no gaps": lambda t: t.update(gaps=False),
        "no features": lambda t: t.update(features=[], names=[]),
        "features that are an object": lambda t: t.update(features={}),
        "features that are texts": lambda t: t.update(features=["number"]),
        "names that are numbers": lambda t: t.update(names=list(range(len(t["names"])))),
        "a name less": lambda t: t["names"].pop(),
        "a feature less": lambda t: t["features"].pop(),
        "a feature of no kind": feature(0, kind="numbers"),
        "a feature with code": feature(0, code="x"),
        "2^30 levels": feature(category, levels=1 << 30),
        "2^52 levels": feature(category, levels=1 << 52),
        "10^400 levels": feature(category, levels=10**400),
        "true levels": feature(category, levels=True),
        "-1 levels": feature(category, levels=-1),
        "4.0 levels": feature(category, levels=4.0),
        "a cost of -1": feature(0, cost=-1.0),
        "a cost of a text": feature(0, cost="1"),
        "2^50 knots": feature(number, knots=1 << 50),
        "-1 knots": feature(number, knots=-1),
        "true knots": feature(number, knots=True),
        "knots in place": feature(number, knots=[0.0, 1.0], marks=[0.0, 1.0]),
        "a scale of 1e-320": feature(number, scale=1e-320),
        "a center of 1e300": feature(number, center=1e300),
        "a cost of 1e300": feature(number, cost=1e300),
        "a mean of 1e-320": lambda t: next(each for each in t["features"] if "mean" in each).update(mean=1e-320),
        "half a surrogate in a name": lambda t: t["names"].__setitem__(0, "\ud800"),
    }
    made = {f"table: {name}": with_json(sound, "adapter/table", change) for name, change in files.items()}
    # Knots that no feature uses, and as many as may be.
    made["table: knots for nobody"] = with_tensor(sound, "adapter/knots", lambda old: old + bytes(8))
    made["table: a million knots for nobody"] = with_tensor(sound, "adapter/knots", lambda old: bytes(8 << 20))
    made["table: too many knots"] = with_tensor(sound, "adapter/knots", lambda old: bytes(8 * ((1 << 20) + 1)))
    made["table: knots of NaN"] = with_tensor(sound, "adapter/knots", lambda old: b"\xff" * (len(old) + 8))
    made["table: for an image"] = changed(sound, "adapter", "kind", to="image")
    made["table: more columns"] = changed(sound, "adapter", "row_shape", to=lambda old: [old[0] + 1])
    return made


def _schemas(sound):
    def column(**new):
        return lambda schema: schema["columns"][0].update(new)

    def of(name, **new):
        def change(schema):
            next(column for column in schema["columns"] if column["name"] == name).update(new)

        return change

    files = {
        "no UTF-8": b"\xff\xfe\xfd",
        "no JSON": "{",
        "one more key": lambda s: s.update(code="x"),
        "a library to import": lambda s: s.update(library="os"),
        "a library that is a list": lambda s: s.update(library=["pandas"]),
        "numbered of 1": lambda s: s.update(numbered=1),
        "numbered names": lambda s: s.update(numbered=True),
        "no columns": lambda s: s.update(columns=[]),
        "columns that are texts": lambda s: s.update(columns=["a"]),
        "a column less": lambda s: s["columns"].pop(),
        "a column twice": lambda s: s["columns"].append(s["columns"][0]),
        "a column of another name": column(name="other"),
        "a column of a number's name": column(name=1),
        "a column of another kind": column(kind="date"),
        "a column of no kind": column(kind="code"),
        "a type of Arrow that there is not": column(arrow="tensor"),
        "a type of Arrow with code": column(arrow="timestamp[us, tz=" + "x" * 61 + "]"),
        "a decimal of too many digits": column(arrow="decimal128(99, 0)"),
        "whole of 1": column(whole=1),
        "levels of a number": column(levels=["a"]),
        "levels of lists": lambda s: s["columns"][2].update(levels=[[1], [2], [3], [4]]),
        "levels twice": lambda s: s["columns"][2].update(levels=["a", "a", "b", "c"]),
        "levels of many types": lambda s: s["columns"][2].update(levels=["a", 1, True, None]),
        "10,001 levels": lambda s: s["columns"][2].update(levels=list(map(str, range(10_001)))),
        "500,000 levels": lambda s: s["columns"][2].update(levels=list(map(str, range(500_000)))),
        "500,000 columns": '{"columns":[' + "{}," * 500_000 + "{}]}",
        # Each of these is well formed, and contradicts itself.
        "levels that are numbers, of texts": of("city", levels=[1, 2]),
        "levels that are whole, of doubles": of("city", arrow="double", native="float64", levels=[1, 2]),
        "levels that are texts, of numbers": of("city", arrow="int64", native="int64"),
        "levels beyond 64 bits": of("city", arrow="int64", native="int64", levels=[1 << 70, 1]),
        "half a surrogate in a level": of("city", levels=["\ud800", "b"]),
        "half a surrogate in a type": of("city", native="\udfff"),
        "a time zone that there is not": of("born", arrow="timestamp[us, tz=Nowhere/Land]"),
        "an offset of 99 hours": of("born", arrow="timestamp[us, tz=+99:99]", whole=False),
        "a number that is a date": of("wage", arrow="timestamp[us]"),
        "a date that is a number": of("born", arrow="double"),
        "a boolean that is a text": of("member", arrow="string"),
        "a count that is a boolean": of("visits", arrow="bool"),
        "a decimal that nothing can be": of("wage", arrow="decimal128(3, -99)"),
        "a coded number": of("wage", coded=True),
        "an ordered text": of("city", ordered=True),
        "a whole category": of("city", whole=True),
        "a type of pandas that wraps round": of("visits", native="int8"),
        "a type of pandas that is a moment": of("visits", native="timedelta64[ns]"),
        "a type of pandas that is complex": of("wage", native="complex128"),
    }
    return {f"schema: {name}": with_json(sound, "schema", change) for name, change in files.items()}


def _detectors(sound):
    values = {
        "threshold": [1, True, "0", None, -1e300],
        "linear": [None, 0, 1.0, "true"],
        "contamination": [None, True, 0.0, 0.9],
        "false_alarm_rate": [True, "0", 2.0, -0.1],
    }
    made = {
        f"detector: {key} {value!r}": changed(sound, "detection", key, to=value)
        for key, several in values.items()
        for value in several
    }
    made["detector: one more key"] = changed(sound, "detection", "code", to="x")
    made["detector: the keys of draws"] = changed(sound, "detection", "spread", to=1.0)
    made["detector: a key less"] = changed(sound, "detection", "linear", drop=True)
    made["detector: none, but its tensors"] = changed(sound, "detection", to=None)
    shapes = {
        "residual_width": [[True], [1 << 40], [-6], [6.0], []],
        "keys": [[1 << 40, 16], [True, 16], [9], "many"],
        "pool": [[1, 1]],
        "forest_depths": [[100, True], [1 << 40, 1 << 40], [1 << 20, 1 << 20], [100], [100, 33], [100, 0]],
        "forest_columns": [[100, 32]],
        "ellipse_axes": [[4, 1 << 40], [4], [3, 4]],
        "tail_knots": [[4, 1 << 40], [5, 65], [4, 0]],
    }
    made |= {
        f"detector: {key} of shape {shape}": changed(sound, f"detection/{key}", "shape", to=shape, part="header")
        for key, several in shapes.items()
        for shape in several
    }
    numbers = {
        "forest_columns": ("<i", [1 << 30, 4, -1]),
        "forest_cuts": ("<f", [float("nan"), float("inf"), 1e20]),
        "forest_depths": ("<f", [-1.0, float("inf")]),
        "pool": ("<f", [float("nan"), 1e20]),
        "value_center": ("<d", [1e300]),
        "value_width": ("<d", [0.0, -1.0, 1e-320, 1e100]),
        "latent_center": ("<d", [1e100]),
        "latent_width": ("<d", [1e-300]),
        "residual_width": ("<d", [0.0]),
        "weights": ("<d", [0.0, 1e100]),
        "ellipse_center": ("<d", [1e100]),
        "ellipse_axes": ("<d", [1e100]),
        "ellipse_variances": ("<d", [0.0, -1.0]),
        "tail_knots": ("<d", [1e14, float("nan")]),
        "tail_heights": ("<d", [500.0, -1.0]),
        "tail_slopes": ("<d", [-1.0, 1e100]),
        "usual": ("<d", [0.0, 1e-320]),
    }
    for name, (kind, several) in numbers.items():
        for value in several:
            first = struct.pack(kind, value)
            made[f"detector: {name} {value}"] = with_tensor(
                sound, f"detection/{name}", lambda old, first=first: first + old[len(first) :]
            )
    return made


def _detectors_by_draws(sound):
    values = {
        "threshold": [1, True, "0", None, -1e300],
        "spread": [0.0, -1.0, 1, 1e-320, 1e300],
        "center": [1e300],
        "contamination": [None, 0.0, 0.9],
        "false_alarm_rate": [True, "0", 2.0, -0.1],
    }
    made = {
        f"detector by draws: {key} {value!r}": changed(sound, "detection", key, to=value)
        for key, several in values.items()
        for value in several
    }
    made["detector by draws: one more key"] = changed(sound, "detection", "code", to="x")
    made["detector by draws: a key less"] = changed(sound, "detection", "center", drop=True)
    made["detector by draws: none, but its tensors"] = changed(sound, "detection", to=None)
    shapes = {
        "residual_scale": [[True], [1 << 40], [-6], [6.0], []],
        "keys": [[1 << 40, 16], [True, 16], [9], "many"],
        "draws_0": [[64, True], [1 << 40, 1 << 40], [64]],
        "places": [[1, 1]],
    }
    made |= {
        f"detector by draws: {key} of shape {shape}": changed(
            sound, f"detection/{key}", "shape", to=shape, part="header"
        )
        for key, several in shapes.items()
        for shape in several
    }

    def rows(old):
        return struct.pack("<i", 1 << 30) + old[4:]

    made["detector by draws: draws of rows that are not there"] = with_tensor(sound, "detection/draws_0", rows)
    made["detector by draws: draws of rows below 0"] = with_tensor(
        sound, "detection/draws_1", lambda old: struct.pack("<i", -1) + old[4:]
    )
    made["detector by draws: a scale of 0"] = with_tensor(sound, "detection/usual", lambda old: bytes(len(old)))
    for name, value in (("residual_scale", 1e-320), ("latent_scale", 1e-300), ("usual", 1e-320), ("center", 1e300)):
        made[f"detector by draws: {name} {value}"] = with_tensor(
            sound, f"detection/{name}", lambda old, value=value: struct.pack("<d", value) + old[8:]
        )
    made["detector by draws: places of NaN"] = with_tensor(sound, "detection/places", lambda old: b"\xff" * len(old))
    return made


def _disguised(sound, sentinel):
    import gzip
    import io
    import pickle
    import zipfile

    import numpy as np

    evil = Payload(str(sentinel))

    def zipped(**members):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            for name, content in members.items():
                archive.writestr(name.replace("__", "."), content)
        return file.getvalue()

    array = io.BytesIO()
    np.save(array, np.array([evil], dtype=object), allow_pickle=True)
    pickles = {protocol: pickle.dumps(evil, protocol) for protocol in range(6)}
    keras = {"class_name": "Lambda", "config": {"function": f"open({str(sentinel)!r}, 'w')"}}
    return {
        **{f"disguise: a pickle of protocol {protocol}": content for protocol, content in pickles.items()},
        "disguise: a pickle after a header": headed("{}        ", pickles[5]),
        "disguise: a pickle in the metadata": configured(sound, pickles[0].decode("latin-1")),
        "disguise: an array of objects": array.getvalue(),
        "disguise: a zip of pickles, as torch.save": zipped(archive__data__pkl=pickles[2]),
        "disguise: a .keras archive": zipped(config__json=json.dumps(keras), model__weights__h5=b"\x89HDF"),
        "disguise: HDF5": b"\x89HDF\r\n\x1a\n" + bytes(2_000),
        "disguise: ONNX": b"\x08\x07\x12\x04test" + bytes(500),
        "disguise: gzip of a sound one": gzip.compress(sound),
        "disguise: gzip of 100 MB": gzip.compress(bytes(100_000_000), 1),
        "disguise: a sound one in a zip": zipped(model__safetensors=sound),
        "disguise: a script": f"#!/usr/bin/env python\nopen({str(sentinel)!r}, 'w')\n".encode(),
        "disguise: HTML": b"<html><script>alert(1)</script></html>" * 9,
        "disguise: NUL bytes": bytes(100_000),
        "disguise: 0xFF": b"\xff" * 100_000,
        "disguise: CSV": b"a,b\n1,2\n" * 99,
        "disguise: a Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    }


# Data.


def data(folder, sentinel):
    """Make files of hostile rows and return {name: path}."""
    made = {}
    for ending, files in (
        ("npy", _npy(sentinel)),
        ("npz", _npz(sentinel)),
        ("idx.gz", _idx()),
        ("parquet", _parquet()),
        ("png", _pictures()),
        ("csv", _csv()),
        ("csv.gz", _packed("gz")),
        ("csv.zst", _packed("zst")),
        ("csv.xz", _packed("xz")),
        ("csv.bz2", _packed("bz2")),
        ("feather", _feather()),
        ("jsonl", _json()),
        ("json", _json()),
        ("arff", _arff()),
        ("xlsx", _excel()),
        ("ods", _open_document()),
        ("mat", _matlab()),
        ("h5", _hdf5()),
    ):
        for at, (name, content) in enumerate(files.items()):
            made[f"{ending}: {name}"] = folder / f"{at:02d}.{ending}"
            made[f"{ending}: {name}"].write_bytes(content)
    return made


def npy(shape="(2, 3)", kind="'<f8'", order=False, rest=bytes(48), version=1, length=None):
    """Return a .npy file with a header of one's own."""
    text = f"{{'descr': {kind}, 'fortran_order': {order}, 'shape': {shape}, }}\n".encode()
    size = (len(text) if length is None else length).to_bytes(2 if version == 1 else 4, "little")
    return b"\x93NUMPY" + bytes([version, 0]) + size + text + rest


def _npy(sentinel):
    import io
    import pickle

    import numpy as np

    array = io.BytesIO()
    np.save(array, np.array([[Payload(str(sentinel))]], dtype=object), allow_pickle=True)
    return {
        "a pickle": pickle.dumps(Payload(str(sentinel))),
        "a pickle of protocol 0": pickle.dumps(Payload(str(sentinel)), 0),
        "objects": array.getvalue(),
        "a pickle after a header": npy(kind="'|O'", rest=pickle.dumps([Payload(str(sentinel))])),
        "terabytes": npy("(1000000, 1000000)"),
        "terabytes by column": npy("(1000000, 1000000)", order=True),
        "terabytes of texts": npy("(2, 3)", "'<U300000000000'"),
        "terabytes of nothing named": npy("(2, 3)", "'|V400000000000'"),
        "terabytes of times": npy("(1000000, 1000000)", "'<M8[s]'"),
        "terabytes of fields": npy("(1000000, 1000000)", "[('a', '<f8'), ('b', '<f8')]"),
        "fields of objects": npy("(2, 3)", "[('a', '|O')]"),
        "a product beyond 64 bits": npy("(4294967296, 4294967296, 2)"),
        "a shape of 10^40": npy(f"({10**40}, 2)"),
        "a negative shape": npy("(-2, -3)"),
        "a shape of floats": npy("(2.0, 3.0)"),
        "a shape of code": npy("(__import__('os').system('true'), 2)"),
        "100 axes": npy("(" + "1, " * 100 + ")"),
        "a header of 4 GB": npy(version=2, length=(1 << 32) - 1),
        "a header of brackets": npy("(" * 5000 + ")" * 5000),
        "a header of 60,000 letters": npy(" " * 60_000 + "(2, 3)"),
        "a header cut off": npy(length=20),
        "a version of its own": npy(version=9),
        "a byte order that there is not": npy(kind="'!f8'"),
        "fewer bytes than rows": npy("(1000, 3)"),
        "nothing": b"",
        "zip": b"PK\x03\x04" + bytes(99),
    }


def _npz(sentinel):
    import io
    import pickle
    import zipfile

    def zipped(**members):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for name, content in members.items():
                archive.writestr(f"{name}.npy", content)
        return file.getvalue()

    hundreds = bytes(100 << 20)  # in a few hundred kilobytes
    bomb = npy("(13107200, 1)", rest=hundreds)
    line = npy("(13107200,)", rest=hundreds)
    sound = zipped(X=npy())
    at = sound.rindex(b"PK\x01\x02")
    claimed = sound[: at + 24] + (0xFFFFFFF0).to_bytes(4, "little") + sound[at + 28 :]
    return {
        "100 MB of zeros": zipped(X=bomb),
        "columns of 100 MB of zeros": zipped(a=line, b=line),
        "terabytes in an array": zipped(X=npy("(1000000, 1000000)")),
        "terabytes in columns": zipped(a=npy("(1000000000000,)"), b=npy("(1000000000000,)")),
        "a header of 4 GB of zeros": zipped(X=npy(version=2, length=(1 << 32) - 1, rest=hundreds)),
        "a member that claims 4 GB": claimed,
        "a pickle": zipped(X=pickle.dumps(Payload(str(sentinel)))),
        "objects": zipped(X=npy(kind="'|O'", rest=pickle.dumps([Payload(str(sentinel))]))),
        "an encrypted member": sound[:6] + b"\1" + sound[7 : at + 8] + b"\1" + sound[at + 9 :],
        "a method that there is not": sound[:8] + b"\x63" + sound[9 : at + 10] + b"\x63" + sound[at + 11 :],
        "a member of another checksum": sound[: at + 16] + bytes(4) + sound[at + 20 :],
        "a member cut off": sound[: at - 20] + sound[at:],
        "a zip in it": zipped(X=sound),
        "no member": zipped(),
        "20,000 members": zipped(**{f"a{each}": b"" for each in range(20_000)}),
        "a sparse matrix of terabytes": zipped(
            format=npy("()", "'|S3'", rest=b"csr"),
            shape=npy("(2,)", "'<i8'", rest=struct.pack("<2q", 1 << 40, 1 << 40)),
            data=npy("(1,)", rest=bytes(8)),
            indices=npy("(1,)", "'<i4'", rest=bytes(4)),
            indptr=npy("(2,)", "'<i4'", rest=bytes(8)),
        ),
        "cut in half": sound[: len(sound) // 2],
        "nothing": b"",
    }


def _idx():
    import gzip

    def idx(*shape, kind=8, axes=None):
        return bytes([0, 0, kind, len(shape) if axes is None else axes]) + b"".join(n.to_bytes(4, "big") for n in shape)

    huge = (1 << 32) - 1
    hundreds = bytes(100 << 20)
    return {
        "100 MB of zeros": gzip.compress(hundreds, 1),
        "100 MB that it announces": gzip.compress(idx(100, 1 << 20) + hundreds, 1),
        "100 MB after the rows": gzip.compress(idx(2, 2) + bytes(4) + hundreds, 1),
        "exabytes in gzip": gzip.compress(idx(huge, huge)),
        "exabytes": idx(huge, huge),
        "a product beyond 64 bits": idx(huge, huge, huge, kind=14),
        "no rows of huge columns": idx(0, huge, huge, huge, kind=14),
        "fewer bytes than rows": idx(100, 100) + bytes(9),
        "more bytes than rows": idx(2, 2) + bytes(9),
        "no axes": idx(),
        "255 axes": idx(1, axes=255),
        "a type that there is not": idx(1, 1, kind=7) + b"\0",
        "a header cut off": idx(1, axes=3),
        "gzip cut off": gzip.compress(idx(2, 2) + bytes(4))[:-9],
        "gzip of gzip": gzip.compress(gzip.compress(idx(2, 2) + bytes(4))),
        "gzip of nothing": gzip.compress(b""),
        "nothing": b"",
    }


def _parquet():
    import io

    import numpy as np
    import pyarrow as pa
    from pyarrow import parquet

    def varint(number):
        digits = []
        while number > 127:
            digits.append(number & 127 | 128)
            number >>= 7
        return bytes([*digits, number])

    def written(table, **options):
        file = io.BytesIO()
        parquet.write_table(table, file, **options)
        return file.getvalue()

    def claiming(content, rows, claimed):
        """Return a file whose footer claims other numbers of rows and values; Thrift writes them zigzag."""
        length = int.from_bytes(content[-8:-4], "little")
        footer = content[-8 - length : -8].replace(b"\x16" + varint(2 * rows), b"\x16" + varint(2 * claimed))
        return content[: -8 - length] + footer + len(footer).to_bytes(4, "little") + b"PAR1"

    rows = 12_345
    sound = written(pa.table({"a": np.arange(rows) % 7, "b": np.zeros(rows)}))
    texts = written(pa.table({"a": ["x", "y", "z"] * (rows // 3)}))
    return {
        "10^9 rows": claiming(sound, rows, 10**9),
        "10^18 rows": claiming(sound, rows, 10**18),
        "rows below 0": claiming(sound, rows, -5 % (1 << 63)),
        "10^9 rows of texts": claiming(texts, rows, 10**9),
        "10^8 rows of nothing": written(pa.table({"a": pa.nulls(10**8)}), row_group_size=10**8),
        "a text of 10 kB, a million times": written(
            pa.table({"a": pa.DictionaryArray.from_arrays(np.zeros(10**6, np.int32), ["x" * 10_000])}).cast(
                pa.schema({"a": pa.dictionary(pa.int32(), pa.string())})
            ),
            store_schema=False,
        ),
        "texts of 300 MB in a few kB": written(
            pa.table({"a": ["x" * (10 << 20)] * 30}), use_dictionary=False, compression="zstd"
        ),
        "a footer of 4 GB": sound[:-8] + b"\xff\xff\xff\xff" + b"PAR1",
        "a footer of zeros": sound[:-508] + bytes(500) + sound[-8:],
        "an encrypted one": sound[:-4] + b"PARE",
        "pages of zeros": sound[:4] + bytes(500) + sound[504:],
        "lists": written(pa.table({"a": [[1.0, 2.0]] * 9})),
        "no columns": written(pa.table({})),
        "cut in half": sound[: len(sound) // 2],
        "nothing but its name": b"PAR1PAR1",
        "nothing": b"",
    }


def _pictures():
    import io
    import zlib

    from PIL import Image

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    def png(width, height, *chunks, pixels=b"", depth=8):
        head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0))
        body = chunk(b"IDAT", zlib.compress(pixels, 9))
        return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + body + chunk(b"IEND", b"")

    def written(form, count):
        file = io.BytesIO()
        frames = [Image.effect_noise((32, 32), 50 + at) for at in range(count)]
        frames[0].save(file, form, save_all=True, append_images=frames[1:])
        return file.getvalue()

    def gif(size, *parts):
        return b"GIF89a" + struct.pack("<HHBBB", *size, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff" + b"".join(parts) + b";"

    def frame(width, height):
        return b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x01\x44\0"

    # An extension that seems to end at once; who reads on finds its bytes to be blocks, and another frame behind them.
    hidden = b"!\xf9\0" + bytes([len(frame(9, 9)) + 3]) + b"!\xfe" + frame(9, 9) + b"\0\0" + frame(60_000, 60_000)
    tags = ((256, 8), (257, 8), (258, 8), (259, 1), (262, 1), (273, 1 << 20), (278, 8), (279, 64))
    circle = struct.pack("<H", 8) + b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)

    hundreds = bytes(100 << 20)
    packed = zlib.compress(hundreds, 1)
    bmp = b"BM" + struct.pack("<IHHIIiiHHIIiiII", 99, 0, 0, 54, 40, 1 << 30, 1 << 30, 1, 24, 0, 0, 0, 0, 0, 0)
    tiff = (
        b"II*\0\x08\0\0\0\x03\0" + struct.pack("<HHII", 256, 4, 1, 1 << 31) + struct.pack("<HHII", 257, 4, 1, 1 << 31)
    )
    jpeg = b"\xff\xd8\xff\xc0" + struct.pack(">HBHHB", 11, 8, 65_535, 65_535, 1) + b"\1\x11\0\xff\xda" + bytes(99)
    return {
        "60,000 x 60,000 pixels": png(60_000, 60_000, pixels=bytes(9)),
        "2^31 x 2^31 pixels": png((1 << 31) - 1, (1 << 31) - 1),
        "0 x 0 pixels": png(0, 0),
        "100 MB of text": png(8, 8, chunk(b"zTXt", b"a\0\0" + packed), pixels=bytes(72)),
        "100 MB of international text": png(8, 8, chunk(b"iTXt", b"a\0\1\0\0\0" + packed), pixels=bytes(72)),
        "100 MB of colours": png(8, 8, chunk(b"iCCP", b"a\0\0" + packed), pixels=bytes(72)),
        "a chunk of 4 GB": b"\x89PNG\r\n\x1a\n" + b"\xff\xff\xff\xffIHDR" + bytes(99),
        "200 frames, cut off": written("PNG", 200)[:-9_000],
        "200 frames of TIFF, cut off": written("TIFF", 200)[:-9_000],
        "200 frames of WEBP, cut off": written("WEBP", 200)[:-9_000],
        "200 frames of GIF, cut off": written("GIF", 200)[:-9_000],
        "2^31 frames": png(8, 8, chunk(b"acTL", struct.pack(">II", (1 << 31) - 1, 0)), pixels=bytes(72)),
        "a GIF of 2^32 pixels": gif((65_535, 65_535), frame(8, 8)),
        "a GIF with a frame of 2^32 pixels": gif((8, 8), frame(8, 8), frame(65_535, 65_535)),
        "a GIF with a frame that an extension hides": gif((8, 8), frame(8, 8), hidden),
        "a GIF of 100 frames of 64 million pixels": gif((8_000, 8_000), *[frame(1, 1)] * 100),
        "a GIF of 300,000 frames": gif((8, 8), *[frame(1, 1)] * 300_000),
        "a TIFF whose pages go in a circle": b"II*\0\x08\0\0\0" + circle + struct.pack("<I", 8),
        "a PPM of 2^40 pixels": b"P6 1048576 1048576 255\n" + bytes(99),
        "a PGM of 2^40 pixels of 16 bits": b"P5 1048576 1048576 65535\n" + bytes(99),
        "a PPM in text, cut off": b"P3 800 800 255\n" + b"9 " * 99,
        "a PGM of floats": b"Pf\n8 8\n-1.0\n" + bytes(256),
        "a BMP of 2^60 pixels": bmp + bytes(99),
        "a TIFF of 2^62 pixels": tiff + bytes(99),
        "a JPEG of 2^32 pixels": jpeg,
        "16 bits, cut off": png(800, 800, pixels=bytes(9), depth=16),
        "fewer pixels than it announces": png(800, 800, pixels=bytes(9)),
        "SVG": b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
        "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(code) run\n",
        "nothing": b"",
    }


def _csv():
    return {
        "20 million columns": b"," * 20_000_000,
        "200,000 columns": b"1," * 200_000 + b"1\n",
        "one line of 20 million letters": b"a" * 20_000_000,
        "NUL bytes": bytes(5_000),
        "NUL bytes in numbers": b"1,2\n3,\0\n",
        "an open quote": b'a,b\n1,"2\n3,4\n',
        "UTF-16, cut": "a,b\n1,2\n".encode("utf-16")[:-1],
        "no text": b"a,b\n\xff,\xfe\0\n",
        "rows of other lengths": b"a,b\n1,2\n1,2,3\n",
        "a header alone": b"a,b\n",
        "nothing": b"",
        "nothing but ends of lines": b"\n" * 1_000,
    }


def _packed(ending):
    import bz2
    import gzip
    import lzma

    import pyarrow as pa

    pack = {
        "gz": lambda content: gzip.compress(content, 1),
        "bz2": lambda content: bz2.compress(content, 1),
        "xz": lambda content: lzma.compress(content, preset=0),
        "zst": lambda content: pa.compress(content, "zstd", asbytes=True),
    }[ending]
    sound = pack(b"a,b\n" + b"1,2\n" * 999)
    made = {
        "cut off": sound[: len(sound) // 2],
        "a flipped bit": sound[: len(sound) // 2] + bytes([sound[len(sound) // 2] ^ 1]) + sound[len(sound) // 2 + 1 :],
        "packed twice": pack(sound),
        "nothing packed": pack(b""),
        "nothing": b"",
        "only its first bytes": sound[:6],
    }
    if ending == "zst":
        del made["a flipped bit"]  # it has no checksum by default, and the bit is one of a number
    if ending in ("zst", "xz"):  # gzip cannot pack so tightly, and bzip2 is slow
        made["400 MB of rows"] = pack(b"1,2\n" * (100 << 20))
        made["400 MB of one line"] = pack(b"a" * (400 << 20))
    if ending == "xz":
        made["a dictionary of 512 MB"] = lzma.compress(
            b"a,b\n1,2\n",
            filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 29, "mf": lzma.MF_HC3, "mode": lzma.MODE_FAST}],
        )
    return made


def _feather():
    import io

    import numpy as np
    import pyarrow as pa
    from pyarrow import feather

    def written(table, **options):
        file = io.BytesIO()
        feather.write_feather(table, file, **options)
        return file.getvalue()

    texts = written(pa.table({"a": ["x", "yy", "zzz"] * 40}), compression="uncompressed")
    places = np.cumsum([0, *[1, 2, 3] * 40]).astype(np.int32).tobytes()
    beyond = np.full(121, 1 << 30, np.int32).tobytes()
    rows = written(pa.table({"a": np.arange(99.0)}))
    assert places in texts
    return {
        "texts outside of their buffer": texts.replace(places, beyond),
        "texts that run backwards": texts.replace(places, places[::-1]),
        "cut in half": rows[: len(rows) // 2],
        "a footer of 2 GB": rows[:-10] + b"\xff\xff\xff\x7f" + b"ARROW1",
        "zeros after its name": b"ARROW1\0\0" + bytes(500),
        "lists alone": written(pa.table({"a": [[1.0], [2.0]]})),
        "nothing": b"",
    }


def _json():
    return {
        "a million brackets": b"[" * 1_000_000,
        "a million objects in each other": b'{"a":' * 1_000_000,
        "brackets in a record": b'[{"a":' + b"[" * 100_000,
        "a record of 20 million letters": b'[{"a": "' + b"x" * 20_000_000,
        "20 million digits": b'[{"a": ' + b"1" * 20_000_000,
        "other names in every record": b"[" + b",".join(b'{"n%d": 1}' % at for at in range(30_000)) + b"]",
        "half of a letter": b'[{"a": "\\ud800"}]',
        "no UTF-8": b'[{"a": "\xff"}]',
        "a text alone": b'"hello"',
        "an end that is missing": b'[{"a": 1}',
        "NUL bytes": bytes(5_000),
        "nothing": b"",
    }


def _arff():
    header = b"@relation x\n@attribute a numeric\n@attribute b {u,v}\n@data\n"
    return {
        "a line of 20 million letters": b"@relation " + b"x" * 20_000_000,
        "200,000 columns": b"".join(b"@attribute a%d numeric\n" % at for at in range(200_000)) + b"@data\n",
        "a row of a million cells": header + b"1," * 1_000_000,
        "a million quotes": header + b"'" * 999_999,
        "a sparse row of a far column": header + b"{999999999 1}\n",
        "a sparse row without an end": header + b"{0 1\n",
        "a column in a column": b"@attribute a relational\n@attribute b numeric\n@end a\n@data\n1\n",
        "a type that there is not": b"@attribute a complex\n@data\n1\n",
        "no data": b"@attribute a numeric\n",
        "NUL bytes": bytes(5_000),
        "no UTF-8": header + b"\xff,u\n",
        "nothing": b"",
    }


def archive(**members):
    """Return a zip archive of members, by their names."""
    import io
    import zipfile

    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as made:
        for name, content in members.items():
            made.writestr(name, content)
    return file.getvalue()


def lying(content, name, size):
    """Return an archive that announces another size of a member, in its directory and before the member."""
    entry = content.rindex(name.encode()) - 46
    start = int.from_bytes(content[entry + 42 : entry + 46], "little")
    announced = size.to_bytes(4, "little")
    content = content[: entry + 24] + announced + content[entry + 28 :]
    return content[: start + 22] + announced + content[start + 26 :]


def _excel():
    import io
    import zipfile

    import openpyxl

    file, book = io.BytesIO(), openpyxl.Workbook()
    for row in (["a", "b"], [1, "x"], [2, "y"]):
        book.active.append(row)
    book.save(file)
    with zipfile.ZipFile(file) as opened:
        sound = {name: opened.read(name) for name in opened.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    start, end = sound[sheet].split(b"<sheetData>")[0] + b"<sheetData>", b"</sheetData></worksheet>"

    def cells(content):
        return archive(**(sound | {sheet: start + content + end}))

    wide = b"<row>" + b"<c><v>1</v></c>" * 16_000 + b"</row>"
    shared = b"<sst><si><t>" + b"x" * 1_000_000 + b"</t></si></sst>"
    uses = b"".join(b'<row><c t="s"><v>0</v></c></row>' for _ in range(200_000))
    whole = archive(**sound)
    return {
        "a cell at the far end": cells(
            b'<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
        ),
        "a row at the far end of wide ones": cells(wide + b'<row r="1048576"><c><v>1</v></c></row>'),
        "a cell outside of every sheet": cells(b'<row r="1"><c r="ZZZZZ99999999999"><v>1</v></c></row>'),
        "a text of 1 MB, 200,000 times": archive(
            **(sound | {sheet: start + uses + end, "xl/sharedStrings.xml": shared})
        ),
        "600 MB of blanks": cells(b" " * (600 << 20)),
        "a tag of 20 MB": cells(b"<row " + b"a" * (20 << 20)),
        "entities in entities": archive(
            **(
                sound
                | {
                    sheet: b'<!DOCTYPE x [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;">]>'
                    + start
                    + b"<row><c t='str'><v>&b;</v></c></row>"
                    + end
                }
            )
        ),
        "a sheet that is longer than announced": lying(cells(b"<row><c><v>1</v></c></row>" * 99_999), sheet, 99),
        "a sheet cut off": archive(**(sound | {sheet: sound[sheet][: len(sound[sheet]) // 2]})),
        "a sheet of zeros": archive(**(sound | {sheet: bytes(5_000)})),
        "no sheet": archive(**{name: each for name, each in sound.items() if name != sheet}),
        "no workbook": archive(**{name: each for name, each in sound.items() if name != "xl/workbook.xml"}),
        "no cells": cells(b""),
        "20,000 members": archive(**(sound | {f"a{at}": b"" for at in range(20_000)})),
        "an .xls file": b"\xd0\xcf\x11\xe0" + bytes(5_000),
        "an encrypted member": whole[:6]
        + b"\1"
        + whole[7:].replace(b"PK\1\2\x14\3\x14\0\0", b"PK\1\2\x14\3\x14\0\1", 1),
        "cut in half": whole[: len(whole) // 2],
        "an empty archive": archive(),
        "nothing": b"",
    }


def _open_document():
    start = (
        b'<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
        b'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" '
        b'xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0">'
        b'<office:body><office:spreadsheet><table:table table:name="S">'
    )
    end = b"</table:table></office:spreadsheet></office:body></office:document-content>"

    def cells(content):
        mime = b"application/vnd.oasis.opendocument.spreadsheet"
        return archive(mimetype=mime, **{"content.xml": start + content + end})

    cell = b'<table:table-cell office:value-type="float" office:value="1"/>'
    text = b'<table:table-cell office:value-type="string"><text:p>' + b"x" * 100_000 + b"</text:p></table:table-cell>"
    times = b'<table:table-row table:number-rows-repeated="1048576">'
    return {
        "17 billion cells": cells(
            times + cell.replace(b"/>", b' table:number-columns-repeated="16384"/>') + b"</table:table-row>"
        ),
        "a cell after 16,384 empty ones": cells(
            times + b'<table:table-cell table:number-columns-repeated="16384"/>' + cell + b"</table:table-row>"
        ),
        "a text of 100 kB, a million times": cells(times + text + b"</table:table-row>"),
        "a row of 20 MB": cells(b"<table:table-row>" + b"<table:table-cell/>" * 1_200_000 + b"</table:table-row>"),
        "no cells": cells(b""),
        "no content": archive(mimetype=b"application/vnd.oasis.opendocument.spreadsheet"),
        "nothing": b"",
    }


def _matlab():
    import io
    import zlib

    import numpy as np
    from scipy import io as scipy

    def written(packed=False, **arrays):
        file = io.BytesIO()
        scipy.savemat(file, arrays, do_compression=packed)
        return file.getvalue()

    def element(content, kind=15):
        return written()[:128] + struct.pack("<II", kind, len(content)) + content

    sound = written(X=np.arange(12.0).reshape(4, 3))
    flags = struct.pack("<IIII", 6, 8, 6, 0)
    shape = struct.pack("<IIii", 5, 8, 1 << 20, 1 << 10)
    name = struct.pack("<HH4s", 1, 1, b"X")
    numbers = struct.pack("<II", 9, 0xFFFFFFF0)
    matrix = flags + shape + name + numbers
    head = struct.pack("<II", 14, len(matrix)) + matrix
    small = flags + struct.pack("<IIii", 5, 8, 2, 2) + name + numbers
    return {
        "8 GB in a hundred bytes": element(matrix, 14),
        "8 GB in a hundred bytes, packed": element(zlib.compress(head)),
        "4 numbers of 100 MB": element(zlib.compress(struct.pack("<II", 14, 1 << 30) + small + bytes(100 << 20), 1)),
        "a name of 4 GB": element(flags + shape + struct.pack("<II", 1, 0xFFFFFFFF), 14),
        "numbers below 0": element(flags + struct.pack("<IIii", 5, 8, -4, -3) + name + numbers, 14),
        "an element of 4 GB": element(b"", 14)[:-4] + b"\xff\xff\xff\xff",
        "complex numbers": written(X=np.ones((4, 3)) * 1j),
        "texts alone": written(X="hello"),
        "no rows": written(X=np.zeros((0, 3))),
        "cut in half": sound[: len(sound) // 2],
        "a header alone": sound[:128],
        "text": b"hello" * 99,
        "nothing": b"",
    }


def _hdf5():
    import io

    import h5py
    import numpy as np

    def written(make):
        file = io.BytesIO()
        with h5py.File(file, "w") as opened:
            make(opened)
        return file.getvalue()

    def several(file):
        for at in range(10_100):
            file.create_group(f"g{at}")

    def virtual(file):
        layout = h5py.VirtualLayout(shape=(9, 9), dtype="f8")
        layout[:] = h5py.VirtualSource("other.h5", "X", shape=(9, 9))
        file.create_virtual_dataset("X", layout)

    def circle(file):
        file.create_group("a")
        file["a/b"] = file

    def linked(file):
        file["X"] = h5py.ExternalLink("/etc/passwd", "X")

    rows = written(lambda file: file.create_dataset("X", data=np.arange(12.0).reshape(4, 3)))
    return {
        "80 TB in a few kB": written(
            lambda file: file.create_dataset("X", shape=(10**12, 10), chunks=(1000, 10), dtype="f8")
        ),
        "a block of 400 MB": written(
            lambda file: file.create_dataset(
                "X", shape=(10, 5_000_000), chunks=(10, 5_000_000), dtype="f8", compression=1
            )
        ),
        "another file": written(linked),
        "numbers in another file": written(
            lambda file: file.create_dataset("X", shape=(9, 9), dtype="f8", external=[("/etc/passwd", 0, 648)])
        ),
        "a view of another file": written(virtual),
        "a circle": written(circle),
        "10,100 groups": written(several),
        "texts": written(lambda file: file.create_dataset("X", data=["a", "b"])),
        "a single number": written(lambda file: file.create_dataset("X", data=1.0)),
        "no rows": written(lambda file: file.create_dataset("X", shape=(0, 3))),
        "cut in half": rows[: len(rows) // 2],
        "zeros after its name": b"\x89HDF\r\n\x1a\n" + bytes(500),
        "nothing": b"",
    }

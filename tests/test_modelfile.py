"""The model file: the same bits out as in, and nothing else accepted."""

import hashlib
import json
import os
import struct

import numpy as np
import pytest
from safetensors.numpy import load_file

import diabolo
from diabolo.errors import ModelFileError, OptionError, OutputError
from diabolo.model import file as modelfile
from diabolo.model.file import upgrade
from diabolo.model.settings import MAX_EPOCHS
from diabolo.network import structures
from diabolo.network.layers import Attention, Dense, Flatten, Reshape, Upsampling
from hostile import parts, rebuild


@pytest.fixture(scope="module")
def content(model_path):
    return model_path.read_bytes()


def test_any_safetensors_reader_can_read_the_weights(fitted, model_path):
    tensors = load_file(model_path)
    curves = {f"record/{name}" for name in fitted.history_}
    assert set(tensors) == {*fitted.model_.weights, "adapter/offset", "adapter/scale", *curves}
    for name, weight in fitted.model_.weights.items():
        np.testing.assert_array_equal(tensors[name], weight)


def test_saving_a_loaded_model_gives_the_same_bytes(content):
    assert modelfile.to_bytes(modelfile.from_bytes(content)) == content


def test_another_process_gives_the_same_bits(fitted, model_path, digits, command, tmp_path):
    assert command("encode", model_path, "digits:test", "-o", "z.npy").code == 0
    np.testing.assert_array_equal(np.load(tmp_path / "z.npy"), fitted.encode(digits.x_test))
    assert command("decode", model_path, "z.npy", "-o", "x.npy").code == 0
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), fitted.reconstruct(digits.x_test))


def test_a_rebuilt_file_with_its_own_checksum_loads(content):
    assert modelfile.from_bytes(rebuild(*parts(content))).network.latent_dim == 8


def test_every_single_flipped_bit_that_was_tried_is_refused(content, rng):
    for place in rng.choice(len(content) * 8, 300, replace=False):
        damaged = bytearray(content)
        damaged[place // 8] ^= 1 << (place % 8)
        with pytest.raises(diabolo.DiaboloError):
            modelfile.from_bytes(bytes(damaged))


def test_a_file_cut_off_anywhere_is_refused(content):
    for length in (0, 1, 7, 8, 9, 100, 2000, len(content) // 2, len(content) - 1):
        with pytest.raises(ModelFileError):
            modelfile.from_bytes(content[:length])
    with pytest.raises(ModelFileError, match="without gap or overlap"):
        modelfile.from_bytes(content + b"\0")


def in_config(*path, value):
    def change(header, config, tensors):
        place = config
        for key in path[:-1]:
            place = place[key]
        if value is None:
            del place[path[-1]]
        else:
            place[path[-1]] = value
        return header, config, tensors

    return change


def in_header(name, key, value):
    def change(header, config, tensors):
        return header | {name: header[name] | {key: value}}, config, tensors

    return change


def with_weight(value):
    def change(header, config, tensors):
        start, _ = header["bottleneck/kernel"]["data_offsets"]
        return header, config, tensors[:start] + np.float32(value).tobytes() + tensors[start + 4 :]

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (in_config("format_version", value=upgrade.FORMAT_VERSION + 1), "upgrade Diabolo"),
        (in_config("format_version", value=True), "format_version must be a whole number"),
        (in_config("network", value=None), "exactly the keys"),
        (in_config("code", value="import os"), "exactly the keys"),
        (in_config("record", "code", value=1), "record must have exactly"),
        (in_config("record", "rows", value=True), "rows must be of type int"),
        (in_config("record", "best_epoch", value=99), "not an epoch"),
        (in_config("record", "rows", value=-1), "rows must be at least 1"),
        (in_config("record", "settings", value={}), "settings must have exactly"),
        (in_config("record", "settings", "epochs", value="many"), "setting epochs has the wrong type"),
        (in_config("record", "history", "val_loss", value=[]), "numbers of epochs"),
        (in_config("record", "history", "val_loss", value=2), "must be F64 of shape \\[2\\]"),
        (in_config("adapter", "kind", value=["array"]), "unknown adapter"),
        (in_config("network", "decoder", 0, "units", value=10**400), "units must be between -"),
        (in_config("network", "decoder", 2, "shape", value=[10**4000, 2]), "shape must be between -"),
        (in_config("record", "history", value={"loss": ["x"]}), "numbers of epochs"),
        (in_config("reconstruction_loss", value={"kind": "gausian"}), "Did you mean 'gaussian'"),
        (in_config("network", "input_shape", value=[28, 28]), "expected \\(28, 28\\)"),
        (in_config("network", "input_shape", value=[28, 28, 0]), "at least 1"),
        (
            in_config("network", "encoder", value=[{"kind": "lambda", "name": "a", "code": "x"}]),
            "unknown layer 'lambda'",
        ),
        (in_config("network", "encoder", 1, "units", value=33), "must be F32 of shape"),
        (in_config("network", "encoder", 1, "units", value=10**9), "numbers a row"),
        (in_config("network", "encoder", 1, "units", value="32"), "must be of type int"),
        (in_config("network", "encoder", value=[{}] * 300), "more than 256 layers"),
        (in_config("adapter", "kind", value="tables"), "unknown adapter"),
        (in_config("adapter", "kind", value="table"), "a table has rows of one axis"),
        (in_config("adapter", "dtype", value="object"), "unknown type of rows"),
        (in_config("adapter", "bounded", value=1), "true or false"),
        (in_config("adapter", "row_shape", value=[28, 27]), "do not fit a network"),
        (in_header("bottleneck/bias", "shape", [9]), "must be F32 of shape \\[8\\]"),
        (in_header("bottleneck/bias", "dtype", "F64"), "must be F32"),
        (in_header("bottleneck/bias", "data_offsets", [0, 32]), "without gap or overlap"),
        (in_header("bottleneck/bias", "data_offsets", [0, 10**12]), "does not fit its"),
        (in_header("bottleneck/bias", "data_offsets", [0.0, 32.0]), "two whole numbers"),
        (with_weight(np.nan), "NaN or infinity"),
        (with_weight(np.inf), "NaN or infinity"),
    ],
)
def test_a_file_that_is_not_a_sound_model_is_refused_though_its_checksum_fits(content, change, message):
    with pytest.raises(diabolo.DiaboloError, match=message):
        modelfile.from_bytes(rebuild(*change(*parts(content))))


def test_a_changed_weight_without_a_new_checksum_is_refused(content):
    with pytest.raises(ModelFileError, match="checksum does not fit"):
        modelfile.from_bytes(rebuild(*with_weight(0.5)(*parts(content)), sign=False))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1, "a": 2}', "names a key twice"),
        ('{"a": NaN}', "not finite"),
        ('{"a": 1e999}', "not finite"),
        ("[" * 40 + "]" * 40, "more than 32 deep"),
        ('{"a": "' + "[" * 40 + '"}', "metadata does not hold"),
        ("[]", "must be a JSON object"),
        ("{ a half thing", "not JSON"),
        ("\xff\xfe\xfd", "not JSON"),
    ],
)
def test_json_that_leaves_something_open_is_refused(text, message):
    raw = text.encode("latin-1")
    with pytest.raises(ModelFileError, match=message):
        modelfile.from_bytes(struct.pack("<Q", len(raw)) + raw)


def test_a_header_length_beyond_all_reason_is_refused_before_it_is_read():
    with pytest.raises(ModelFileError, match="header of"):
        modelfile.from_bytes(struct.pack("<Q", 1 << 60) + b"{}")


def test_what_is_no_model_file_is_one_line(tmp_path, model_path):
    (tmp_path / "a.safetensors").write_bytes(b"PK\3\4 no model at all")
    with pytest.raises(ModelFileError, match="is not a valid Diabolo model"):
        diabolo.load(tmp_path / "a.safetensors")
    with pytest.raises(ModelFileError, match="make one with `diabolo fit`"):
        diabolo.load(tmp_path / "b.safetensors")
    with pytest.raises(ModelFileError, match="cannot be read"):
        diabolo.load(tmp_path)
    from safetensors.numpy import save_file

    save_file({"x": np.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(ModelFileError, match="not written by Diabolo"):
        diabolo.load(tmp_path / "other.safetensors")


def test_a_write_that_fails_leaves_the_old_file_and_no_scraps(fitted, tmp_path, monkeypatch):
    path = fitted.save(tmp_path / "model")
    before = path.read_bytes()

    def refuse(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)  # the disk cannot be filled here; the last step is made to fail
    with pytest.raises(OutputError, match="No space left"):
        fitted.save(path, force=True)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.safetensors"]


def test_a_folder_that_is_missing_or_closed_is_said(fitted, tmp_path):
    with pytest.raises(OutputError, match="make it first"):
        fitted.save(tmp_path / "nowhere" / "model")


@pytest.mark.parametrize(
    "bomb",
    [
        [
            Dense(units=2048),
            Reshape(shape=(1, 1, 2048)),
            Upsampling(size=1023, shape=(1, 1)),
            Flatten(),
            Dense(units=4),
        ],
        [Dense(units=9_000), Reshape(shape=(9_000, 1)), Attention(heads=1), Flatten(), Dense(units=4)],
    ],
    ids=["upsampling", "attention"],
)
def test_a_small_network_cannot_ask_for_much_memory_on_the_way(bomb):
    network = structures.build(([Dense(units=2)], bomb), (4,))
    with pytest.raises(OptionError, match=r"has [\d,]+ numbers a row, more than 16,777,216"):
        modelfile.check_size(network)


@pytest.mark.parametrize("part", [{}, {"kind": 5}, {"kind": "masking", "share": 0.1}])
def test_a_record_with_parts_that_are_none_is_refused(part, content):
    header, config, tensors = parts(content)
    config["record"]["settings"]["corruption"] = part
    with pytest.raises(OptionError, match="corruption"):
        modelfile.from_bytes(rebuild(header, config, tensors))


def test_a_file_is_verified_and_no_other_taken_for_it(cli, model_path, content, tmp_path):
    said = json.loads(cli("verify", model_path, "--json").out)
    assert said == {"valid": True, "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    assert "checksum  matches" in cli("verify", model_path, "--expect-sha256", said["sha256"].upper()).out
    assert diabolo.load(model_path, expect_sha256=said["sha256"]).latent_dim_ == 8
    other = cli("verify", model_path, "--expect-sha256", "0" * 64)
    assert (other.code, other.err.count("\n")) == (2, 1)
    assert f"has the SHA-256 {said['sha256']}, expected '000" in other.err
    (tmp_path / "cut.safetensors").write_bytes(content[:-1])
    assert cli("verify", "cut.safetensors").code == 2
    for nothing in ("zz", "", said["sha256"] + "0"):
        with pytest.raises(OptionError, match="must be the 64 hexadecimal digits of a SHA-256"):
            diabolo.load(model_path, expect_sha256=nothing)
    for nothing in (None, 5, b"model"):
        with pytest.raises(ModelFileError, match="expected the path of a model file, got"):
            diabolo.load(nothing)


def test_words_in_a_file_can_neither_forge_a_line_nor_command_a_terminal(cli, content, tmp_path):
    header, config, tensors = parts(content)
    config["record"]["versions"]["diabolo"] = "0.1.0\nsha256    forged, as expected\x1b[2J"
    config["record"]["source"] = "\x1b]0;title\x07\rrows"
    (tmp_path / "m.safetensors").write_bytes(rebuild(header, config, tensors))
    for verb in ("verify", "info"):
        shown = cli(verb, "m.safetensors").out
        assert all(sign.isprintable() or sign == "\n" for sign in shown)
        assert sum(line.lstrip().startswith("sha256") for line in shown.splitlines()) == (verb == "verify")
    assert r"\x1b]0;title\x07" in shown


def test_what_is_replaced_leaves_its_permissions_and_links_stay(fitted, tmp_path):
    path = fitted.save(tmp_path / "model")
    path.chmod(0o600)
    fitted.save(path, force=True)
    assert path.stat().st_mode & 0o777 == 0o600
    link = tmp_path / "link.safetensors"
    link.symlink_to(path)
    with pytest.raises(OutputError, match=r"link.safetensors exists"):
        fitted.save(link)
    fitted.save(link, force=True)
    assert link.is_symlink()
    link.unlink()
    link.symlink_to(tmp_path / "nowhere.safetensors")
    with pytest.raises(OutputError, match=r"link.safetensors exists"):
        fitted.save(link)  # a link to what is not there yet
    os.mkfifo(tmp_path / "pipe.safetensors")
    with pytest.raises(OutputError, match="is a pipe or a device"):
        fitted.save(tmp_path / "pipe", force=True)


def test_a_history_is_as_long_as_memory_takes(content):
    header, config, tensors = parts(content)
    config["record"]["history"] = {"loss": MAX_EPOCHS + 1}
    with pytest.raises(ModelFileError, match="numbers of epochs"):
        modelfile.from_bytes(rebuild(header, config, tensors))
    with pytest.raises(OptionError, match="epochs must be at most 262,144"):
        diabolo.Autoencoder(2, epochs=MAX_EPOCHS + 1).fit(np.zeros((20, 4)))

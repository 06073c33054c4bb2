"""Golden model files, one set for each format version: all of them load and give the numbers they gave when written."""

import dataclasses
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

from diabolo import AnomalyDetector, Autoencoder, load
from diabolo.anomaly import scoring
from diabolo.data.adapters.features import FEATURES, Number
from diabolo.data.frames import Column, Schema
from diabolo.errors import DiaboloError, ModelFileError, OptionError
from diabolo.model import file as modelfile
from diabolo.model.file import upgrade
from diabolo.model.settings import PARTS, SETTINGS, Setting, table_of
from diabolo.network.layers import LAYERS, Dense
from hostile import changed, parts, rebuild, with_json

FOLDER = Path(__file__).parent / "golden"
FILES = sorted(FOLDER.glob("*.safetensors"))
NOW, NEXT = upgrade.FORMAT_VERSION, upgrade.FORMAT_VERSION + 1
every_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


@pytest.fixture
def version(monkeypatch):
    """A function that makes the given format version the present one, with the given upgrades after those there are."""
    known = dict(upgrade.UPGRADES)

    def present(number, upgrades):
        monkeypatch.setattr(upgrade, "FORMAT_VERSION", number)
        monkeypatch.setattr(upgrade, "UPGRADES", known | upgrades)

    return present


def same(config):
    """An upgrade that changes nothing."""
    return config


def compare(path, verbs):
    """Compare what functions of rows, by name, give now with what is stored next to a golden file."""
    with np.load(path.with_suffix(".npz")) as kept:
        expected = dict(kept)
    rows = expected.pop("rows")
    assert set(expected) <= set(verbs)
    for name, values in expected.items():
        found = verbs[name](rows)
        if values.dtype == np.uint8:
            assert np.abs(found.astype(int) - values).max() <= 1  # of a picture, rounded
        else:
            np.testing.assert_allclose(found, values, rtol=1e-4, atol=1e-5)


DETECTS = {
    "scores": lambda model, rows: -scoring.score(model, model.detection, rows),
    "probabilities": lambda model, rows: scoring.probability(
        model.detection, scoring.score(model, model.detection, rows)
    ),
}


def compare_model(path, model):
    """Compare a bare model, which has no estimator around it, with what is stored next to a golden file."""
    if model.detection is not None:
        compare(path, {name: lambda rows, verb=verb: verb(model, rows) for name, verb in DETECTS.items()})
    else:
        verbs = {"latents": model.encode, "reconstructions": model.reconstruct}
        compare(path, verbs | {"scores": lambda rows: -model.loss_per_row(rows)})


def golden(name):
    """The content of the golden file of this name and format version 1."""
    return (FOLDER / f"{name}-v1.safetensors").read_bytes()


def test_the_present_format_version_has_files():
    assert any(path.stem.endswith(f"-v{upgrade.FORMAT_VERSION}") for path in FILES)


@every_file
def test_a_model_file_of_any_time_gives_what_it_gave(path):
    model = AnomalyDetector.load(path) if path.name.startswith("detector") else load(path)
    names = {"latents": "encode", "reconstructions": "reconstruct", "scores": "score_samples"}
    names |= {"probabilities": "probability"}
    compare(path, {name: getattr(model, verb) for name, verb in names.items() if hasattr(model, verb)})


def test_no_setting_is_newer_than_the_present_format_version():
    tables = (LAYERS, FEATURES, *map(table_of, PARTS))
    fields = [each for table in tables for part in table.values() for each in dataclasses.fields(part)]
    NEXT = [each.metadata for each in (*fields, *dataclasses.fields(Column)) if "since" in each.metadata]
    since = [setting.since for setting in SETTINGS.values()] + [each["since"] for each in NEXT]
    assert max(since) <= upgrade.FORMAT_VERSION
    assert all("before" in each for each in NEXT)
    assert all(1 <= step < upgrade.FORMAT_VERSION for step in upgrade.UPGRADES)


@every_file
def test_an_older_file_loads_after_a_setting_was_added(path, version, monkeypatch):
    monkeypatch.setitem(SETTINGS, "repeats", Setting((int,), since=upgrade.FORMAT_VERSION + 1, before=7))
    version(upgrade.FORMAT_VERSION + 1, upgrade.UPGRADES | {upgrade.FORMAT_VERSION: same})
    model = modelfile.load(path)
    assert model.record.settings["repeats"] == 7
    compare_model(path, model)


@every_file
def test_an_added_setting_needs_no_upgrade_function(path, version, monkeypatch):
    monkeypatch.setitem(SETTINGS, "repeats", Setting((int,), since=upgrade.FORMAT_VERSION + 1, before=7))
    version(upgrade.FORMAT_VERSION + 1, upgrade.UPGRADES)
    assert modelfile.load(path).record.settings["repeats"] == 7


def test_a_file_of_the_present_version_must_have_the_added_setting(version, monkeypatch):
    monkeypatch.setitem(SETTINGS, "repeats", Setting((int,), since=NEXT, before=7))
    version(NEXT, {NOW: same})
    content = modelfile.to_bytes(modelfile.from_bytes(golden("gaps")))
    assert parts(content)[1]["format_version"] == NEXT
    assert modelfile.to_bytes(modelfile.from_bytes(content)) == content
    with pytest.raises(OptionError, match=r"settings must have exactly the keys .*'repeats'") as refusal:
        modelfile.from_bytes(changed(content, "record", "settings", "repeats", drop=True))
    assert "\n" not in str(refusal.value)


def test_an_older_file_must_have_the_settings_of_its_own_version(version):
    version(NEXT, {NOW: same})
    with pytest.raises(OptionError, match="settings must have exactly the keys"):
        modelfile.from_bytes(changed(golden("gaps"), "record", "settings", "tied", drop=True))


def test_the_estimator_of_an_older_file_gets_the_setting_of_that_time(version, monkeypatch, tmp_path):
    path = tmp_path / "old.safetensors"
    path.write_bytes(changed(golden("images"), "record", "settings", "patience", drop=True))
    with pytest.raises(ModelFileError, match="settings must have exactly the keys"):
        load(path)
    monkeypatch.setitem(SETTINGS, "patience", Setting((int,), since=NEXT, before=123))
    version(NEXT, upgrade.UPGRADES | {NEXT - 1: same})
    assert Autoencoder.load(path).patience == 123


def test_fields_of_layers_and_columns_that_are_newer_than_the_file_get_the_value_of_that_time(version, monkeypatch):
    model = modelfile.from_bytes(golden("gaps"))
    column = {"kind": "number", "arrow": "double", "native": "float64"}
    columns = tuple(Column(name=name, **column) for name in model.adapter.names)
    model = dataclasses.replace(model, schema=Schema(columns=columns, library="pandas", numbered=False))
    content = modelfile.to_bytes(model)

    def without(key):
        return lambda config: [each.pop(key) for each in config.get("features", config.get("columns"))]

    old = with_json(with_json(content, "adapter/table", without("knots")), "schema", without("whole"))
    header, config, tensors = parts(old)
    dense = [each for part in ("encoder", "decoder") for each in config["network"][part] if each["kind"] == "dense"]
    assert dense
    for each in dense:
        each.pop("use_bias")
    old = rebuild(header, config, tensors)
    with pytest.raises(OptionError, match="has exactly the keys"):
        modelfile.from_bytes(old)

    for part, field, before in ((Dense, "use_bias", True), (Number, "knots", []), (Column, "whole", False)):
        metadata = MappingProxyType({"since": NEXT, "before": before})
        monkeypatch.setattr(part.__dataclass_fields__[field], "metadata", metadata)
    version(NEXT, {NOW: same})
    found = modelfile.from_bytes(old)
    assert found.network == model.network
    assert found.schema == model.schema
    compare_model(FOLDER / "gaps-v1.safetensors", found)
    with pytest.raises(OptionError, match="has exactly the keys"):
        modelfile.from_bytes(changed(old, "format_version", to=NEXT))


def test_layers_and_parts_in_the_settings_are_filled_in_too(version, monkeypatch):
    metadata = MappingProxyType({"since": 2, "before": True})
    monkeypatch.setattr(Dense.__dataclass_fields__["use_bias"], "metadata", metadata)
    penalty = next(iter(table_of("penalty").values()))
    field = dataclasses.fields(penalty)[0]
    monkeypatch.setattr(field, "metadata", MappingProxyType({"since": 2, "before": 0.5}))
    version(2, {})
    settings = {"structure": [[{"kind": "dense", "units": 3}, 4], []], "penalty": {"kind": penalty.kind}}
    found = upgrade.upgraded({"format_version": 1, "record": {"settings": settings}})["record"]["settings"]
    assert found["structure"] == [[{"kind": "dense", "units": 3, "use_bias": True}, 4], []]
    assert found["penalty"] == {"kind": penalty.kind, field.name: 0.5}


def renamed(old, new):
    """An upgrade that renames a key of the record."""

    def step(config):
        record = dict(config["record"])
        return config | {"record": {new: record.pop(old), **record}}

    return step


def test_upgrades_follow_one_another(version):
    header, config, tensors = parts(modelfile.to_bytes(modelfile.from_bytes(golden("gaps"))))  # of the present version
    source = config["record"].pop("source")

    def named(key, number):
        record = config["record"] | {key: source}
        return rebuild(header, config | {"record": record, "format_version": number}, tensors)

    now = upgrade.FORMAT_VERSION
    version(now + 2, {now: renamed("origin", "from"), now + 1: renamed("from", "source")})
    for key, number in (("origin", now), ("from", now + 1), ("source", now + 2)):
        model = modelfile.from_bytes(named(key, number))
        assert model.record.source == source
        compare_model(FOLDER / "gaps-v1.safetensors", model)
    for key, number in (("from", now), ("origin", now + 1), ("origin", now + 2), ("from", now + 2)):
        with pytest.raises(
            DiaboloError, match=r"record must have exactly the keys|does not have the content of format"
        ):
            modelfile.from_bytes(named(key, number))


def test_the_checksum_of_an_older_file_covers_what_was_written(version):
    version(NEXT, {NOW: lambda config: config | {"diabolo_version": "changed"}})
    content = golden("gaps")
    assert modelfile.from_bytes(content)
    header, config, tensors = parts(content)
    config["record"]["rows"] += 1
    with pytest.raises(ModelFileError, match="checksum"):
        modelfile.from_bytes(rebuild(header, config, tensors, sign=False))


@pytest.mark.parametrize("value", [None, [], 1, "text", {}, [[{"kind": []}]], {"kind": "dense"}])
@pytest.mark.parametrize("key", ["record", "network", "reconstruction_loss", "adapter", "schema"])
def test_an_older_file_of_anything_is_refused_in_one_line(version, key, value):
    version(NEXT, {NOW: same})
    with pytest.raises(DiaboloError) as refusal:
        modelfile.from_bytes(changed(golden("gaps"), key, to=value))
    assert "\n" not in str(refusal.value)


def test_an_upgrade_that_does_not_find_what_it_needs_refuses_the_file(version):
    version(2, {1: lambda config: config | {"schema": config["columns"]}})
    with pytest.raises(ModelFileError, match="does not have the content of format version 1"):
        modelfile.from_bytes(golden("gaps"))


def test_a_file_of_a_newer_version_is_refused(version):
    content = changed(golden("gaps"), "format_version", to=3)
    for present in (1, 2):
        version(present, {1: same})
        with pytest.raises(ModelFileError, match=r"it has format version 3, .* upgrade Diabolo"):
            modelfile.from_bytes(content)


def test_a_model_of_windows_has_names_from_version_2_on():
    assert modelfile.load(FOLDER / "series-v1.safetensors").series is None
    assert modelfile.load(FOLDER / "windows-v2.safetensors").series.channels == ("amp", "volt")

"""Layers of one's own, which a file names and whoever reads it brings."""

import pickle
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from diabolo import AnomalyDetector, Autoencoder
from diabolo.errors import ModelFileError, OptionError
from diabolo.network.backends.keras import reading
from diabolo.network.layers import LAYERS, Dense, Layer
from scaled_layer import Scaled

STRUCTURE = [Scaled(first=0.5), Dense(units=8, activation="tanh")]


@pytest.fixture(scope="module")
def trained(table):
    return Autoencoder(3, structure=STRUCTURE, epochs=3, random_state=0, verbose=False).fit(table)


@pytest.fixture(scope="module")
def path(trained, tmp_path_factory):
    return trained.save(tmp_path_factory.mktemp("own") / "scaled")


def test_a_layer_of_ones_own_computes_what_its_weights_say(trained, table):
    weights = {name: values.astype(np.float64) for name, values in trained.model_.weights.items()}
    factors, kernel, bias = (weights[f"encoder_{name}"] for name in ("1/factors", "2/kernel", "2/bias"))
    assert np.abs(factors - 0.5).max() > 0.001  # it was trained
    hidden = np.tanh(trained.model_.adapter.adapt(table) * factors @ kernel + bias)
    latents = hidden @ weights["bottleneck/kernel"] + weights["bottleneck/bias"]
    np.testing.assert_allclose(trained.encode(table), latents, atol=1e-4)


def test_whoever_reads_the_file_brings_the_class(trained, path, table):
    with pytest.raises(ModelFileError, match="unknown layer 'scaled'") as caught:
        Autoencoder.load(path)
    assert str(caught.value).endswith("bring its class: diabolo.load(path, layers={'scaled': ...}).")
    again = Autoencoder.load(path, layers={"scaled": Scaled})
    np.testing.assert_array_equal(again.encode(table), trained.encode(table))
    assert again.get_params()["structure"] == STRUCTURE


def test_a_layer_in_the_table_needs_nobody_to_bring_its_class(trained, table, tmp_path, monkeypatch):
    monkeypatch.setitem(LAYERS, "scaled", Scaled)
    path = Autoencoder(3, structure=STRUCTURE, epochs=3, random_state=0, verbose=False).fit(table).save(tmp_path / "in")
    again = Autoencoder.load(path)
    assert again.get_params()["structure"] == STRUCTURE
    np.testing.assert_array_equal(again.encode(table), trained.encode(table))
    with pytest.raises(OptionError, match="must be a new name such as 'scaled', got 'scaled'"):
        Autoencoder.load(path, layers={"scaled": Scaled})


def test_a_layer_in_the_table_is_read_from_a_keras_model(monkeypatch):
    import keras

    scaled = Scaled(first=0.5, name="factors")
    model = keras.Sequential([keras.Input((4,)), scaled.to_keras(1, 0), keras.layers.Dense(2, name="last")])
    with pytest.raises(OptionError, match="unknown kind of layer 'Scale'"):
        reading.read(model)
    monkeypatch.setitem(LAYERS, "scaled", Scaled)
    assert reading.read(model).layers == (scaled, Dense(units=2, name="last"))


def test_a_detector_may_have_layers_of_ones_own_too(table, tmp_path):
    detector = AnomalyDetector(Autoencoder(3, structure=STRUCTURE, epochs=2, random_state=0, verbose=False)).fit(table)
    saved = detector.save(tmp_path / "odd")
    again = AnomalyDetector.load(saved, layers={"scaled": Scaled})
    np.testing.assert_array_equal(again.score_samples(table[:50] + 1), detector.score_samples(table[:50] + 1))


def test_a_pickled_estimator_knows_its_classes(trained, table):
    again = pickle.loads(pickle.dumps(trained))
    np.testing.assert_array_equal(again.encode(table), trained.encode(table))


def test_the_command_line_says_that_a_class_is_missing(cli, path, table, tmp_path):
    np.save(tmp_path / "rows.npy", table)
    done = cli("encode", path, tmp_path / "rows.npy", cwd=tmp_path)
    assert done.code == 2
    assert "If it is one of your own, bring its class" in done.err
    assert not (tmp_path / "rows-latents.npy").exists()


@dataclass(frozen=True, kw_only=True)
class Taken(Scaled):
    kind: ClassVar[str] = "dense"


@dataclass(frozen=True, kw_only=True)
class Silent(Layer):
    kind: ClassVar[str] = "silent"


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([Scaled], "layers must be a dict from kinds to classes"),
        ({"scaled": Dense}, "'scaled' must be a subclass of Layer of this kind"),
        ({"scaled": Scaled()}, "'scaled' must be a subclass of Layer of this kind"),
        ({"dense": Taken}, "the kind of your own layer must be a new name such as 'scaled', got 'dense'"),
        ({"silent": Silent}, "'silent' must define to_keras"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_layer_is_refused(path, layers, message):
    with pytest.raises(OptionError, match=message):
        Autoencoder.load(path, layers=layers)


@pytest.mark.parametrize("layer", [Taken(), Silent()], ids=lambda layer: layer.kind)
def test_what_no_file_could_name_is_refused_before_a_training(layer, table):
    with pytest.raises(OptionError, match="layers: "):
        Autoencoder(3, structure=[layer, Dense(units=8)], epochs=200_000, verbose=False).fit(table)

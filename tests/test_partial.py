"""split() and evaluate() on networks that Diabolo did not make."""

import json
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from diabolo import evaluate, load, split
from diabolo.errors import CutError, DataError, ModelFileError, ShapeError
from diabolo.network.backends.keras import files


@pytest.fixture
def X(rng):
    return rng.random((7, 20)).astype(np.float32)


def out(model, *inputs):
    return keras.ops.convert_to_numpy(model(*inputs, training=False))


def sequential():
    return keras.Sequential(
        [
            keras.Input((20,)),
            layers.Dense(16, activation="relu"),
            layers.Dense(3, name="bottleneck"),
            layers.Dense(16, activation="relu"),
            layers.Dense(20, name="end"),
        ]
    )


def functional():
    rows = keras.Input((20,), name="rows")
    hidden = layers.Dense(8, activation="tanh")(rows)
    latent = layers.Dense(3, name="bottleneck")(hidden)
    return keras.Model(rows, layers.Dense(20, name="end")(layers.Dense(8)(latent)))


def nested():
    encoder = keras.Sequential(
        [
            keras.Input((20,)),
            layers.Dense(8),
            layers.Dense(3, name="bottleneck"),
            layers.Activation("tanh", name="squash"),
        ],
        name="encoder",
    )
    decoder = keras.Sequential([keras.Input((3,)), layers.Dense(8), layers.Dense(20, name="end")], name="decoder")
    rows = keras.Input((20,), name="rows")
    return keras.Model(rows, decoder(encoder(rows)))


def shared():
    """One layer called on both sides of the bottleneck."""
    rows = keras.Input((20,), name="rows")
    twice = layers.Dense(20, name="end", activation="tanh")
    return keras.Model(rows, twice(layers.Dense(20, name="bottleneck")(twice(rows))))


def with_dropout_and_norm():
    return keras.Sequential(
        [
            keras.Input((20,)),
            layers.Dense(16),
            layers.BatchNormalization(),
            layers.Dropout(0.5),
            layers.Dense(3, name="bottleneck"),
            layers.LeakyReLU(),
            layers.Dense(20, name="end"),
        ]
    )


MODELS = [sequential, functional, nested, shared, with_dropout_and_norm]
every_model = pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)


@every_model
def test_decoder_of_encoder_is_the_model(make, X):
    model = make()
    encoder, decoder = split(model)
    assert encoder.output_shape == decoder.input_shape
    np.testing.assert_allclose(out(decoder, out(encoder, X)), out(model, X), rtol=1e-5, atol=1e-6)


@every_model
def test_a_model_loaded_from_a_file_splits_the_same(make, X, tmp_path):
    model = make()
    model.save(tmp_path / "model.keras")
    encoder, decoder = split(keras.saving.load_model(tmp_path / "model.keras"))
    np.testing.assert_allclose(out(decoder, out(encoder, X)), out(model, X), rtol=1e-5, atol=1e-6)


@every_model
def test_evaluate_gives_what_the_encoder_gives_and_goes_on_from_there(make, X):
    model = make()
    latents = evaluate(model, fetch="bottleneck", feed=X)
    np.testing.assert_allclose(latents, out(split(model).encoder, X), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(evaluate(model, "end", {"bottleneck": latents}), out(model, X), rtol=1e-5, atol=1e-6)


@every_model
def test_the_model_still_works_after_it_was_split(make, X):
    model = make()
    before, config = out(model, X), model.to_json()
    split(model)
    evaluate(model, "bottleneck", X)
    np.testing.assert_array_equal(out(model, X), before)
    assert model.to_json() == config


def test_the_parts_share_their_weights_with_the_model(X):
    model = sequential()
    encoder, _ = split(model)
    model.get_layer("bottleneck").kernel.assign(np.zeros((16, 3)))
    assert np.ptp(out(encoder, X), axis=0).max() == 0


def test_the_cut_is_named_by_index_object_or_path(X):
    model = nested()
    inner = model.get_layer("encoder").get_layer("bottleneck")
    for at in ("bottleneck", "encoder/bottleneck", inner):
        np.testing.assert_array_equal(out(split(model, at).encoder, X), out(split(model).encoder, X))
    # The whole nested encoder is a layer as well, by name or place; it ends after the tanh.
    for at in ("encoder", 1):
        assert np.abs(out(split(model, at).encoder, X)).max() <= 1


def test_a_keras_model_of_diabolo_splits_too(fitted, digits):
    encoder, decoder = split(fitted.to_keras())
    tensors = fitted.model_.adapter.adapt(digits.x_test[:20])
    np.testing.assert_allclose(out(encoder, tensors), fitted.encode(digits.x_test[:20]), atol=1e-4)
    rows = np.rint(255 * out(decoder, out(encoder, tensors)))[..., 0]
    assert np.abs(rows - fitted.reconstruct(digits.x_test[:20])).max() <= 1


def test_images_and_several_inputs_split(rng):
    images = keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            layers.Conv2D(4, 3, padding="same"),
            layers.Flatten(),
            layers.Dense(5, name="bottleneck"),
            layers.Dense(72),
            layers.Reshape((6, 6, 2)),
        ]
    )
    X = rng.random((3, 6, 6, 2)).astype(np.float32)
    encoder, decoder = split(images)
    np.testing.assert_allclose(out(decoder, out(encoder, X)), out(images, X), atol=1e-6)

    a, b = keras.Input((4,), name="a"), keras.Input((5,), name="b")
    both = layers.Dense(3, name="bottleneck")(layers.Concatenate()([a, b]))
    model = keras.Model([a, b], [layers.Dense(4, name="a_hat")(both), layers.Dense(5, name="b_hat")(both)])
    feed = [rng.random((3, 4)).astype(np.float32), rng.random((3, 5)).astype(np.float32)]
    encoder, decoder = split(model)
    for ours, theirs in zip(decoder(encoder(feed)), model(feed), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
    a_hat = evaluate(model, "a_hat", dict(zip("ab", feed, strict=True)))
    np.testing.assert_allclose(a_hat, model(feed)[0], atol=1e-6)
    with pytest.raises(CutError, match="feed 'b' as well"):
        evaluate(model, "a_hat", {"a": feed[0]})


def test_several_values_come_in_the_order_they_were_asked_for_and_in_batches(X):
    model = functional()
    end, latent, rows = evaluate(model, ["end", "bottleneck", "rows"], {"rows": X}, batch_size=3)
    np.testing.assert_allclose(end, out(model, X), rtol=1e-5, atol=1e-6)
    assert latent.shape == (7, 3)
    np.testing.assert_array_equal(rows, X)


def test_a_way_around_the_cut_is_named():
    rows = keras.Input((20,), name="rows")
    hidden = layers.Dense(8)(rows)
    latent = layers.Dense(3, name="bottleneck")(hidden)
    skip = keras.Model(rows, layers.Add(name="meet")([layers.Dense(20)(latent), layers.Dense(20)(hidden)]))
    with pytest.raises(CutError, match="a connection around it arrives at 'meet'"):
        split(skip)
    with pytest.raises(CutError, match="feed 'rows' as well"):
        evaluate(skip, "meet", {"bottleneck": np.zeros((2, 3))})
    aside = keras.Model(rows, [layers.Dense(3, name="bottleneck")(rows), layers.Dense(2)(rows)])
    with pytest.raises(CutError, match="the output does not come from it"):
        split(aside)


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(3)

    def call(self, rows):
        return self.dense(rows)


def called(model, X):
    model(X)
    return model


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda X: split(functional(), "botleneck"), CutError, "Did you mean 'bottleneck'"),
        (lambda X: split(functional(), 99), CutError, "the model has 5, 0 to 4"),
        (lambda X: split(functional(), "rows"), CutError, "is the input of the network"),
        (lambda X: split(keras.Sequential([layers.Dense(3)])), CutError, "no shapes yet"),
        (lambda X: split(called(Subclassed(), X)), CutError, "no graph of layers to cut"),
        (lambda X: split("model.keras"), ModelFileError, "no file model.keras: check the path"),
        (lambda X: split(7), CutError, "expected a keras.Model, got int"),
        (lambda X: evaluate(functional(), "bottleneck", X[:, :3]), ShapeError, r"expected shape \(n, 20\)"),
        (lambda X: evaluate(functional(), "bottleneck", {"nowhere": X}), CutError, "unknown layer 'nowhere'"),
        (lambda X: evaluate(functional(), [], X), CutError, "at least one layer to fetch"),
        (lambda X: evaluate(functional(), "end", {"rows": "text"}), DataError, "expected numbers"),
        (lambda X: evaluate(functional(), "end", {"rows": X, "bottleneck": X[:2, :3]}), ShapeError, "as many rows"),
    ],
)
def test_what_cannot_be_cut_is_one_line(X, act, error, message):
    with pytest.raises(error, match=message) as caught:
        act(X)
    assert "\n" not in str(caught.value)


def test_a_nested_model_called_with_keywords_or_by_name_keeps_its_meaning(X):
    inner = keras.Sequential(
        [keras.Input((20,)), layers.Dropout(0.5, seed=1), layers.Dense(3, name="bottleneck")], name="inner"
    )
    rows = keras.Input((20,), name="rows")
    frozen = keras.Model(rows, layers.Dense(20, name="end")(inner(inputs=rows, training=False)))
    encoder, decoder = split(frozen)
    np.testing.assert_allclose(out(decoder, out(encoder, X)), out(frozen, X), rtol=1e-5, atol=1e-6)
    always = keras.Model(rows, layers.Dense(20, name="end")(inner(rows, training=True)))
    encoder = split(always).encoder
    draws = [keras.ops.convert_to_numpy(encoder(X)) for _ in range(2)]
    assert not np.array_equal(*draws)  # dropout that was asked for at inference is still there

    b, a = keras.Input((4,), name="b"), keras.Input((4,), name="a")
    difference = keras.Model([b, a], layers.Dense(2, name="bottleneck")(b - 2 * a), name="difference")
    left, right = keras.Input((4,), name="left"), keras.Input((4,), name="right")
    outer = keras.Model([left, right], layers.Dense(4, name="end")(difference({"a": left, "b": right})))
    feed = [X[:, :4], X[:, 4:8]]
    encoder, decoder = split(outer)
    np.testing.assert_allclose(decoder(encoder(feed)), outer(feed), rtol=1e-5, atol=1e-6)


def test_two_layers_of_one_name_in_different_models_are_distinguished_by_their_paths(X):
    def half(name, first, last):
        return keras.Sequential([keras.Input((first,)), layers.Dense(5, name="hidden"), layers.Dense(last)], name=name)

    rows = keras.Input((20,), name="rows")
    model = keras.Model(rows, half("decoder", 3, 20)(half("encoder", 20, 3)(rows)))
    before, after = evaluate(model, ["encoder/hidden", "decoder/hidden"], X)
    assert before.shape == after.shape == (7, 5)
    assert not np.allclose(before, after)
    with pytest.raises(CutError, match="2 layers are called 'hidden': write one of"):
        evaluate(model, "hidden", X)


def test_a_layer_with_several_outputs_is_said_to_have_them():
    rows = keras.Input((5, 4), name="rows")
    sequence, state, _ = layers.LSTM(3, return_sequences=True, return_state=True, name="lstm")(rows)
    model = keras.Model(rows, layers.Concatenate()([layers.Flatten()(sequence), state]))
    with pytest.raises(CutError, match="'lstm' has several outputs"):
        split(model, "lstm")
    with pytest.raises(CutError, match="'lstm' has several outputs"):
        evaluate(model, "lstm", np.zeros((2, 5, 4)))


def test_evaluate_leaves_nothing_on_the_layers_beyond_their_graph(X):
    model = sequential()
    end = model.get_layer("end")
    before = len(end._inbound_nodes)
    for _ in range(5):
        evaluate(model, "end", X)
    assert len(end._inbound_nodes) <= before + 5


def with_one_name_twice():
    inner = keras.Sequential([keras.Input((20,)), layers.Dense(5, name="code"), layers.Dense(4)], name="inner")
    rows = keras.Input((20,), name="rows")
    return keras.Model(rows, layers.Dense(20, name="end")(layers.Dense(3, name="code")(inner(rows))))


def test_a_name_that_a_nested_layer_has_as_well_is_refused_and_each_place_can_be_named(X):
    model = with_one_name_twice()
    for act in (lambda: split(model, "code"), lambda: evaluate(model, "code", X)):
        with pytest.raises(CutError, match="2 layers are called 'code': write one of 'inner/code', '/code'"):
            act()
    for at, width in (("inner/code", 5), ("/code", 3), (model.get_layer("code"), 3)):
        encoder, decoder = split(model, at)
        assert encoder.output_shape == (None, width)
        np.testing.assert_allclose(out(decoder, out(encoder, X)), out(model, X), rtol=1e-5, atol=1e-6)
    assert evaluate(model, "/code", X).shape == (7, 3)


def test_which_call_of_a_shared_layer_is_cut_is_said(X, caplog):
    encoder, _ = split(shared(), "end")
    assert "split(): layer 'end' is called 2 times, the last call is taken" in caplog.text
    assert len(encoder.layers) > 2
    caplog.clear()
    split(functional())
    assert not caplog.records


@every_model
@pytest.mark.parametrize("name", ["k.keras", "k.h5"])
def test_a_file_is_split_and_evaluated_as_its_model_is(make, name, X, tmp_path):
    model = make()
    model.save(tmp_path / name)
    encoder, decoder = split(tmp_path / name)
    np.testing.assert_allclose(out(decoder, out(encoder, X)), out(model, X), rtol=1e-5, atol=1e-6)
    latents = evaluate(str(tmp_path / name), "bottleneck", X)
    np.testing.assert_allclose(latents, out(encoder, X), rtol=1e-5, atol=1e-6)


def test_a_model_file_of_diabolo_names_what_loads_it():
    load = r"diabolo.load\('c.safetensors'\).to_keras\(\)"
    with pytest.raises(CutError, match=f"expected a keras.Model, got str: pass {load}"):
        split("c.safetensors")


@pytest.mark.parametrize("name", ["k.keras", "k.h5"])
def test_a_file_of_keras_is_not_a_model_of_diabolo_and_the_way_to_split_it_is_said(tmp_path, name):
    functional().save(tmp_path / name)
    with pytest.raises(ModelFileError, match=r"is a file of Keras, .*diabolo.split\('"):
        load(tmp_path / name)


@pytest.mark.parametrize("name", ["k.keras", "k.h5"])
def test_a_lambda_in_a_file_is_never_executed(tmp_path, name):
    ran = str(tmp_path / "ran")
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Lambda(lambda x: (open(ran, "w").close(), x)[1], output_shape=(4,), name="own"),
            layers.Dense(2, name="bottleneck"),
            layers.Dense(4),
        ]
    )
    model.save(tmp_path / name)
    Path(ran).unlink(missing_ok=True)
    with pytest.raises(ModelFileError, match=r"has a Lambda layer, 'own', .*safe_mode=False\)") as caught:
        split(tmp_path / name)
    assert "\n" not in str(caught.value)
    assert not Path(ran).exists()


def with_config(path, change):
    """Change the configuration in a file of Keras."""
    if path.suffix == ".h5":
        with h5py.File(path, "a") as file:
            file.attrs["model_config"] = json.dumps(change(json.loads(file.attrs["model_config"])))
        return
    with zipfile.ZipFile(path) as archive:
        parts = {each: archive.read(each) for each in archive.namelist()}
    parts["config.json"] = json.dumps(change(json.loads(parts["config.json"]))).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for each, content in parts.items():
            archive.writestr(each, content)


def calling(module, function):
    """A change after which the activation of a layer is a function of any module."""

    def change(config):
        layer = next(each for each in config["config"]["layers"] if each["class_name"] == "Dense")
        layer["config"]["activation"] = {
            "module": module,
            "class_name": "function",
            "config": function,
            "registered_name": function,
        }
        return config

    return change


@pytest.mark.parametrize("name", ["k.keras", "k.h5"])
@pytest.mark.parametrize(
    ("module", "function"), [("os", "system"), ("builtins", "eval"), ("keras.utils", "get_file"), ("kerasx", "f")]
)
def test_a_file_cannot_name_functions_of_other_modules(tmp_path, name, module, function):
    functional().save(tmp_path / name)
    with_config(tmp_path / name, calling(module, function))
    with pytest.raises(ModelFileError, match=f"names 'function' of '{module}', which is not of Keras"):
        split(tmp_path / name)


def test_weights_in_other_files_and_bombs_are_refused(tmp_path, monkeypatch):
    functional().save(tmp_path / "k.h5")
    with h5py.File(tmp_path / "k.h5", "a") as file:
        file["more"] = h5py.ExternalLink("other.h5", "/")
    with pytest.raises(ModelFileError, match="'more' is a link, which may lead to another file"):
        split(tmp_path / "k.h5")
    functional().save(tmp_path / "l.h5")
    with h5py.File(tmp_path / "l.h5", "a") as file:
        file.create_dataset("raw", (4,), "uint8", external=[("/etc/hostname", 0, 4)])
    with pytest.raises(ModelFileError, match="'raw' keeps its numbers in another file"):
        split(tmp_path / "l.h5")
    functional().save(tmp_path / "k.keras")
    monkeypatch.setattr(files, "MAX_FILE", 1000)
    with pytest.raises(ModelFileError, match="more than 1,000 bytes"):
        split(tmp_path / "k.keras")


@pytest.mark.parametrize("name", ["k.keras", "k.h5"])
@pytest.mark.parametrize("content", [b"", b"not a model", b"PK\x05\x06" + bytes(18)])
def test_anything_else_is_no_file_of_keras(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelFileError, match="is not a file of Keras, or is damaged") as caught:
        split(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_weights_alone_and_other_endings_say_what_to_save(tmp_path):
    functional().save_weights(tmp_path / "m.weights.h5")
    with pytest.raises(ModelFileError, match=r"has weights and no model: save the model by model.save"):
        split(tmp_path / "m.weights.h5")
    with pytest.raises(ModelFileError, match=r"is not a file of Keras, which ends in .keras, .h5"):
        split(tmp_path / "m.pb")


@keras.saving.register_keras_serializable("ours")
class Twice(layers.Layer):
    def call(self, rows):
        return 2 * rows


@pytest.mark.parametrize("name", ["k.keras", "k.h5"])
def test_a_layer_that_was_registered_in_this_process_is_loaded(tmp_path, name, X):
    model = keras.Sequential([keras.Input((20,)), Twice(), layers.Dense(3, name="bottleneck"), layers.Dense(20)])
    model.compile("adam", loss="mse")
    model.save(tmp_path / name)
    np.testing.assert_allclose(out(split(tmp_path / name).encoder, X), out(split(model).encoder, X), atol=1e-6)


def test_a_mask_that_goes_around_the_cut_is_named(tmp_path):
    rows = keras.Input((None, 3))
    latent = layers.LSTM(4, return_sequences=True, name="bottleneck")(layers.Masking()(rows))
    model = keras.Model(rows, layers.LSTM(3, return_sequences=True, name="lstm")(latent))
    with pytest.raises(CutError, match=r"the mask of padded steps goes around it and arrives at 'lstm' \(Keras"):
        split(model)

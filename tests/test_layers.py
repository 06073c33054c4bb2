"""The table of layers against Keras, which knows shapes and weights by itself, and ONNX against Keras."""

import math

import keras
import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diabolo.errors import OptionError, ShapeError
from diabolo.network import layers
from diabolo.network.backends.keras import builder as keras_builder
from diabolo.network.backends.onnx import builder as onnx_builder
from diabolo.network.bottlenecks import Plain
from diabolo.network.layers import LAYERS, Layer, TiedDense
from diabolo.network.network import Network
from diabolo.parts import from_config
from scaled_layer import Scaled

FLAT, SERIES, IMAGE = (12,), (3, 4), (5, 7, 2)
# At least one of every kind, and the shape of a row that it stands before; a kind that is missing here fails the first
# test.
EXAMPLES = [
    *((layers.Dense(units=5, activation=activation), SERIES) for activation in layers.ACTIVATIONS),
    (layers.Dense(units=5, use_bias=False), SERIES),
    (layers.Dense(units=5), FLAT),
    *((layers.Activation(function=activation), SERIES) for activation in layers.ACTIVATIONS),
    (layers.BatchNormalization(epsilon=0.01), SERIES),
    (layers.LayerNormalization(epsilon=0.01), SERIES),
    (layers.Dropout(rate=0.5), SERIES),
    (layers.Flatten(), SERIES),
    (layers.Reshape(shape=(2, 6)), SERIES),
    *(
        (layers.Convolution(filters=3, size=size, stride=stride, activation="elu"), shape)
        for shape in (SERIES, IMAGE, (1, 1, 1), (8, 8, 1))
        for size, stride in ((1, 1), (3, 1), (3, 2), (4, 2), (5, 3), (2, 2))
    ),
    (layers.Convolution(filters=3, use_bias=False), IMAGE),
    *(
        (layers.Convolution(filters=3, size=size, stride=stride, padding=padding), IMAGE)
        for size, stride in ((3, 1), (3, 2), ((2, 5), 1), ((4, 3), (2, 3)))
        for padding in ("same", "valid")
    ),
    (layers.Convolution(filters=3, padding="valid"), SERIES),
    (layers.TransposedConvolution(filters=3, shape=(5,), size=3, stride=1, padding="valid"), SERIES),
    (layers.TransposedConvolution(filters=3, shape=(9,), size=3, stride=3, padding="valid"), SERIES),
    (layers.TransposedConvolution(filters=3, shape=(11, 15), size=3, padding="valid"), IMAGE),
    (layers.TransposedConvolution(filters=3, shape=(12, 16), size=3, padding="valid", use_bias=False), IMAGE),
    (layers.TransposedConvolution(filters=3, shape=(10, 9), size=(2, 3), stride=(2, 1), padding="valid"), IMAGE),
    (layers.TransposedConvolution(filters=3, shape=(10, 7), size=(5, 3), stride=(2, 1)), IMAGE),
    (layers.TransposedConvolution(filters=3, shape=(6,), activation="elu"), SERIES),
    (layers.TransposedConvolution(filters=3, shape=(5,), size=4), SERIES),
    (layers.TransposedConvolution(filters=3, shape=(9, 14)), IMAGE),
    (layers.TransposedConvolution(filters=3, shape=(10, 13), size=2, use_bias=False), IMAGE),
    (layers.TransposedConvolution(filters=3, shape=(13, 21), size=5, stride=3), IMAGE),
    *(
        (layers.Pooling(size=size, function=function), shape)
        for shape in (SERIES, IMAGE)
        for size in (2, 3)
        for function in ("max", "average")
    ),
    (layers.Pooling(padding="valid"), IMAGE),
    (layers.Pooling(size=(3, 1), function="average"), IMAGE),
    (layers.Pooling(size=(2, 3), padding="valid", function="average"), IMAGE),
    (layers.Upsampling(shape=(9, 21), size=(2, 3)), IMAGE),
    (layers.Padding(before=(1,), after=(2,)), SERIES),
    (layers.Padding(before=(0, 2), after=(1, 3)), IMAGE),
    (layers.Cropping(before=(1,), after=(0,)), SERIES),
    (layers.Cropping(before=(1, 2), after=(0, 3)), IMAGE),
    (layers.ReLU(negative_slope=0.3), SERIES),
    (layers.ReLU(max_value=6.0), SERIES),
    (layers.ReLU(negative_slope=0.1, max_value=1.5, threshold=0.5), SERIES),
    (layers.ReLU(threshold=1.0), FLAT),
    (layers.ELU(alpha=0.7), SERIES),
    (layers.PReLU(), SERIES),
    (layers.PReLU(shared_axes=(1, 2)), IMAGE),
    (layers.GaussianNoise(stddev=0.5), SERIES),
    (layers.GaussianDropout(rate=0.5), SERIES),
    (layers.AlphaDropout(rate=0.5), SERIES),
    (layers.SpatialDropout(rate=0.5), SERIES),
    (layers.SpatialDropout(rate=0.5), IMAGE),
    (layers.Upsampling(shape=(6,)), SERIES),
    (layers.Upsampling(shape=(9, 14)), IMAGE),
    (layers.Upsampling(shape=(13, 20), size=3), IMAGE),
    *(
        (cell(units=5, sequences=sequences), SERIES)
        for cell in (layers.LSTM, layers.GRU)
        for sequences in (True, False)
    ),
    *(
        (cell(units=5, activation=activation, recurrent_activation=gates), SERIES)
        for cell in (layers.LSTM, layers.GRU)
        for activation, gates in (
            ("relu", "sigmoid"),
            ("tanh", "hard_sigmoid"),
            ("linear", "sigmoid"),
            ("elu", "hard_sigmoid"),
            ("softsign", "sigmoid"),
        )
    ),
    *(
        (layers.Bidirectional(units=3, cell=cell, sequences=sequences, merge=merge), SERIES)
        for cell in ("lstm", "gru")
        for sequences in (True, False)
        for merge in ("concat", "sum", "ave", "mul")
    ),
    (layers.Bidirectional(units=3, activation="relu", recurrent_activation="hard_sigmoid"), SERIES),
    (layers.Repeat(times=3), FLAT),
    (layers.Skip(units=6, activation="tanh"), FLAT),
    (layers.Skip(units=3), SERIES),
    (layers.Residual(units=6, activation="gelu"), FLAT),
    (layers.Residual(units=6), SERIES),
    (layers.Residual(units=3, activation="elu"), (1, 4, 2)),
    (layers.ResidualConvolution(filters=3), SERIES),
    (layers.ResidualConvolution(filters=3, size=5, activation="elu"), IMAGE),
    (layers.Attention(heads=2), SERIES),
    (layers.Attention(heads=1), SERIES),
    (layers.Attention(heads=2), (1, 4)),
    (layers.Position(), SERIES),
    (layers.Patches(size=2), IMAGE),
    (layers.Patches(size=9), IMAGE),
    (layers.FromPatches(size=2, shape=(1, 5)), SERIES),
    (layers.TopK(active=3), SERIES),
    (layers.Quantize(codes=7, groups=4), FLAT),
    (Scaled(first=0.5), FLAT),
    (Scaled(), IMAGE),
]
# A layer that only the tests have must keep the contract of the built-in ones, by the same tests.
TABLE = LAYERS | {"scaled": Scaled}
named = pytest.mark.parametrize(
    ("layer", "shape"),
    EXAMPLES,
    ids=["-".join(map(str, [*layer.to_config().values(), *shape])) for layer, shape in EXAMPLES],
)


def test_every_layer_of_the_table_has_an_example():
    # A tied layer cannot stand alone: test_structures.py has it next to the layer that it is tied to.
    assert {type(example) for example, _ in EXAMPLES} == set(TABLE.values()) - {TiedDense}


@pytest.mark.parametrize("layer", TABLE.values(), ids=TABLE)
def test_every_layer_says_itself_how_it_is_made_and_read(layer):
    assert layer.to_keras is not Layer.to_keras
    assert layer.to_onnx is not Layer.to_onnx
    reads = layer.from_keras.__func__ is not Layer.from_keras.__func__
    assert reads == bool(layer.keras_classes)


def test_a_class_of_keras_is_read_by_one_layer():
    names = [name for layer in LAYERS.values() for name in layer.keras_classes]
    assert len(names) == len(set(names)) > 15
    assert all(issubclass(getattr(keras.layers, name), keras.layers.Layer) for name in names)


def test_a_layer_that_says_nothing_names_the_method_that_it_lacks():
    class Silent(Layer):
        kind = "silent"

    for method, call in (
        ("from_keras", lambda: Silent.from_keras(None)),
        ("to_keras", lambda: Silent().to_keras(1, 0)),
        ("to_onnx", lambda: Silent().to_onnx(None, None, None)),
    ):
        with pytest.raises(TypeError, match=rf"Silent must say .* give it {method}\("):
            call()


def in_a_network(layer, shape, name="tested"):
    """Return a network that has the layer in its encoder and ends in one latent."""
    layer = from_config("layer", TABLE, layer.to_config() | {"name": name})
    flatten = layers.Flatten(name="flatten")
    back = (layers.Dense(units=math.prod(shape), name="back"), layers.Reshape(shape=shape, name="reshape"))
    return Network(input_shape=shape, encoder=(layer, flatten), bottleneck=Plain(latent_dim=1), decoder=back)


def randomise(models, rng):
    for variable in models.raw.variables:
        if variable.dtype == "float32":
            variable.assign(rng.uniform(0.2, 1.5, variable.shape))  # variances must stay above 0


@named
def test_shapes_and_weights_are_those_of_keras(layer, shape):
    network = in_a_network(layer, shape)
    built = keras_builder.build(network).raw.get_layer("tested")
    assert built.output.shape[1:] == layer.output_shape(shape)
    # Keras counts the draws of dropout among its variables, so they are left out by type; and of the averages that make
    # a book of codes, the file keeps the book alone.
    ours = [each for each in built.variables if each.dtype == "float32" and each.name not in ("counts", "sums")]
    assert [tuple(variable.shape) for variable in ours] == list(layer.weights(shape).values())
    assert [id(variable) for variable in ours] == [id(layer.keras_weight(built, name)) for name in layer.weights(shape)]
    assert all(name.endswith(variable.name) for variable, name in zip(ours, layer.weights(shape), strict=True))


@named
def test_onnx_gives_what_keras_gives(layer, shape, rng):
    network = in_a_network(layer, shape)
    models = keras_builder.build(network, link="sigmoid")
    randomise(models, rng)
    rows = rng.normal(0, 2, (6, *shape)).astype(np.float32)
    weights = keras_builder.get_weights(models, network)

    session = onnxruntime.InferenceSession(onnx_builder.build_encoder(network, weights).SerializeToString())
    (latents,) = session.run(["latent"], {"rows": rows})
    expected = keras.ops.convert_to_numpy(models.encoder(rows, training=False))
    # Sums of numbers far from 0 have the digits of the largest.
    np.testing.assert_allclose(latents, expected, rtol=1e-5, atol=1e-6 * np.abs(expected).max() + 1e-6)

    raw, reconstruction = (
        onnxruntime.InferenceSession(onnx_builder.build_decoder(network, weights, link=link).SerializeToString()).run(
            ["reconstruction"], {"latent": expected}
        )[0]
        for link in ("linear", "sigmoid")
    )
    expected = keras.ops.convert_to_numpy(models.raw(rows, training=False))
    np.testing.assert_allclose(raw, expected, rtol=1e-5, atol=1e-6 * np.abs(expected).max() + 1e-6)
    np.testing.assert_allclose(reconstruction, models.autoencoder(rows, training=False), rtol=1e-5, atol=1e-5)


@named
def test_a_layer_is_read_from_the_keras_layer_that_it_makes(layer, shape):
    network = in_a_network(layer, shape)
    built = keras_builder.build(network).raw.get_layer("tested")
    if type(built).__name__ in layer.keras_classes:  # others are made by layers of Diabolo's own, which no user has
        assert layer.from_keras(built) == network.encoder[0]
    else:
        assert type(built).__module__.startswith("diabolo.")


@named
def test_the_mirror_brings_the_shape_back(layer, shape):
    back = layer.output_shape(shape)
    for undoing in layer.mirror(shape):
        back = undoing.output_shape(back)
    assert back == shape


@named
def test_a_layer_survives_json(layer, shape):
    assert from_config("layer", TABLE, layer.to_config()) == layer


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=4).map(tuple), st.integers(1, 20))
def test_dense_flatten_and_their_mirrors_fit_any_shape(shape, units):
    for layer in (layers.Dense(units=units), layers.Flatten()):
        (undoing,) = layer.mirror(shape)
        assert undoing.output_shape(layer.output_shape(shape)) == shape


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.Dense(units=0), "units of at least 1"),
        (lambda: layers.Dense(units=2.0), "units must be of type int, got 2.0"),
        (lambda: layers.Dense(units=True), "units must be of type int, got True"),
        (lambda: layers.Dense(units=2, activation="rleu"), "Did you mean 'relu'"),
        (lambda: layers.Dropout(rate=1.0), "0 <= rate < 1"),
        (lambda: layers.BatchNormalization(momentum=1.0), "0 <= momentum < 1"),
        (lambda: layers.LayerNormalization(epsilon=0.0), "0 < epsilon < 1"),
        (lambda: layers.Reshape(shape=(2, 0)), "a size from 1 to"),
        (lambda: layers.Reshape(shape=(2, -1)), "a size from 1 to"),
        (lambda: from_config("layer", LAYERS, {"kind": "dens"}), "Did you mean 'dense'"),
        (lambda: from_config("layer", LAYERS, {"kind": "flatten"}), "exactly the keys"),
        (lambda: from_config("layer", LAYERS, "dense"), "an object with a 'kind'"),
    ],
)
def test_a_layer_that_cannot_be_is_refused_at_birth(make, message):
    with pytest.raises(OptionError, match=message):
        make()


def test_reshape_refuses_another_number_of_numbers():
    with pytest.raises(ShapeError, match="has 12 numbers"):
        layers.Reshape(shape=(5, 2)).output_shape(SERIES)

"""The table of layers against Keras, which knows shapes and weights by itself, and ONNX against Keras."""

import keras
import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diabolo.errors import OptionError, ShapeError
from diabolo.network import keras_builder, layers, onnx_builder
from diabolo.network.bottlenecks import Plain
from diabolo.network.layers import LAYERS
from diabolo.network.parts import from_config
from diabolo.network.structures import Network

INPUT = (3, 4)
# At least one of every kind; a kind that is missing here fails the first test.
EXAMPLES = [
    *(layers.Dense(units=5, activation=activation) for activation in layers.ACTIVATIONS),
    layers.Dense(units=5, use_bias=False),
    *(layers.Activation(function=activation) for activation in layers.ACTIVATIONS),
    layers.BatchNormalization(epsilon=0.01),
    layers.LayerNormalization(epsilon=0.01),
    layers.Dropout(rate=0.5),
    layers.Flatten(),
    layers.Reshape(shape=(2, 6)),
]
named = pytest.mark.parametrize("layer", EXAMPLES, ids=lambda layer: "-".join(map(str, layer.to_config().values())))


def test_every_layer_of_the_table_has_an_example_and_both_builders():
    kinds = set(LAYERS.values())
    assert {type(example) for example in EXAMPLES} == kinds
    assert set(keras_builder.BUILDERS) == set(onnx_builder.BUILDERS) == kinds
    assert set(onnx_builder.ACTIVATIONS) == set(layers.ACTIVATIONS)


def in_a_network(layer, name="tested"):
    """Return a network that has the layer in its encoder and ends in one latent."""
    layer = from_config("layer", LAYERS, layer.to_config() | {"name": name})
    flatten = layers.Flatten(name="flatten")
    back = (layers.Dense(units=12, name="back"), layers.Reshape(shape=INPUT, name="reshape"))
    return Network(input_shape=INPUT, encoder=(layer, flatten), bottleneck=Plain(latent_dim=1), decoder=back)


def randomise(models, rng):
    for variable in models.raw.variables:
        if variable.dtype == "float32":
            variable.assign(rng.uniform(0.2, 1.5, variable.shape))  # variances must stay above 0


@named
def test_shapes_and_weights_are_those_of_keras(layer):
    network = in_a_network(layer)
    built = keras_builder.build(network).raw.get_layer("tested")
    assert built.output.shape[1:] == layer.output_shape(INPUT)
    # Keras counts the draws of dropout among its variables, so they are left out by type.
    ours = [variable for variable in built.variables if variable.dtype == "float32"]
    assert [tuple(variable.shape) for variable in ours] == list(layer.weights(INPUT).values())
    assert [variable.name for variable in ours] == list(layer.weights(INPUT))


@named
def test_onnx_gives_what_keras_gives(layer, rng):
    network = in_a_network(layer)
    models = keras_builder.build(network, link="sigmoid")
    randomise(models, rng)
    rows = rng.normal(0, 2, (6, *INPUT)).astype(np.float32)
    weights = keras_builder.get_weights(models, network)

    session = onnxruntime.InferenceSession(onnx_builder.build_encoder(network, weights).SerializeToString())
    (latents,) = session.run(["latent"], {"rows": rows})
    expected = keras.ops.convert_to_numpy(models.encoder(rows, training=False))
    np.testing.assert_allclose(latents, expected, rtol=1e-5, atol=1e-5)

    decoder = onnxruntime.InferenceSession(
        onnx_builder.build_decoder(network, weights, link="sigmoid").SerializeToString()
    )
    raw, reconstruction = decoder.run(["raw", "reconstruction"], {"latent": latents})
    np.testing.assert_allclose(raw, models.raw(rows, training=False), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(reconstruction, models.autoencoder(rows, training=False), rtol=1e-5, atol=1e-5)


@named
def test_the_mirror_brings_the_shape_back(layer):
    shape = layer.output_shape(INPUT)
    for undoing in layer.mirror(INPUT):
        shape = undoing.output_shape(shape)
    assert shape == INPUT


@named
def test_a_layer_survives_json(layer):
    assert from_config("layer", LAYERS, layer.to_config()) == layer


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
        layers.Reshape(shape=(5, 2)).output_shape(INPUT)

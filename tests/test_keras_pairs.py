"""Pairs of Keras models as people write them, as a structure: compared with the pair itself on the same weights."""

import keras
import numpy as np
import pytest
from keras import Input, Sequential, layers, regularizers

from diabolo import Autoencoder
from diabolo.errors import OptionError, ShapeError
from diabolo.network.backends.keras import builder as keras_builder
from diabolo.network.backends.keras import layers as own_layers
from diabolo.network.bottlenecks import Plain
from diabolo.network.layers import Convolution, Cropping, Dense
from diabolo.network.penalties import Batch, Regularizers
from diabolo.network.structures import build

IMAGE, SERIES, FLAT = (12, 11, 2), (8, 3), (12,)


def dense_decoder(shape, latents=3, *before):
    return Sequential([Input((latents,)), *before, layers.Dense(int(np.prod(shape))), layers.Reshape(shape)])


def image(*within, latents=3):
    """An encoder of images with these layers, and a decoder."""
    return Sequential([Input(IMAGE), *within, layers.Flatten(), layers.Dense(latents)]), dense_decoder(IMAGE, latents)


def series(*within, latents=3):
    return Sequential([Input(SERIES), *within, layers.Dense(latents)]), dense_decoder(SERIES, latents)


def flat(*within, latents=3):
    return Sequential([Input(FLAT), *within, layers.Dense(latents)]), Sequential(
        [Input((latents,)), layers.Dense(5, activation="mish"), layers.Dense(12)]
    )


def nested():
    block = Sequential([layers.Conv2D(3, 3, activation="relu"), layers.MaxPooling2D()])
    head = Sequential([Input((5 * 4 * 3,)), layers.Dense(6, "relu"), Sequential([layers.Dense(3)])])
    rows = Input(IMAGE)
    return keras.Model(rows, head(layers.Flatten()(block(rows)))), dense_decoder(IMAGE)


def lstm_of_the_guide():
    """The latent is the last state; the decoder repeats it: keras#5203."""
    return (
        Sequential([Input(SERIES), layers.LSTM(5, activation="relu")]),
        Sequential(
            [
                Input((5,)),
                layers.RepeatVector(8),
                layers.LSTM(5, activation="relu", return_sequences=True),
                layers.TimeDistributed(layers.Dense(3)),
            ]
        ),
    )


def blog():
    """The convolutional auto-encoder of Keras' blog: the latent is a small image."""
    return (
        Sequential(
            [
                Input((12, 12, 1)),
                layers.Conv2D(4, (3, 3), activation="relu", padding="same"),
                layers.MaxPooling2D((2, 2), padding="same"),
                layers.Conv2D(2, (3, 3), activation="relu", padding="same"),
                layers.MaxPooling2D((2, 2), padding="same"),
            ]
        ),
        Sequential(
            [
                Input((3, 3, 2)),
                layers.Conv2D(2, (3, 3), activation="relu", padding="same"),
                layers.UpSampling2D((2, 2)),
                layers.Conv2D(4, (3, 3), activation="relu", padding="same"),
                layers.UpSampling2D((2, 2)),
                layers.Conv2D(1, (3, 3), padding="same"),
            ]
        ),
    )


def transposed():
    """Convolutions with Keras' default padding, and the transposed ones that undo them."""
    return (
        Sequential(
            [
                Input((13, 13, 1)),
                layers.Conv2D(4, 3, strides=2, activation="relu"),
                layers.Conv2D(4, (3, 2), activation="relu"),
                layers.Flatten(),
                layers.Dense(4),
            ]
        ),
        Sequential(
            [
                Input((4,)),
                layers.Dense(4 * 5 * 4),
                layers.Reshape((4, 5, 4)),
                layers.Conv2DTranspose(4, (3, 2), activation="relu"),
                layers.Conv2DTranspose(1, 3, strides=2),
            ]
        ),
    )


def cropped():
    return (
        Sequential(
            [
                Input((12, 12, 1)),
                layers.ZeroPadding2D(((1, 2), (0, 3))),
                layers.MaxPooling2D(),
                layers.Flatten(),
                layers.Dense(3),
            ]
        ),
        Sequential(
            [
                Input((3,)),
                layers.Dense(7 * 7),
                layers.Reshape((7, 7, 1)),
                layers.UpSampling2D(),
                layers.Conv2D(1, 3, padding="same"),
                layers.Cropping2D(1),
            ]
        ),
    )


def same_names():
    """Both halves have layers of one name, some with names that Diabolo keeps for itself."""
    return (
        Sequential([Input(FLAT), layers.Dense(6, "relu", name="hidden"), layers.Dense(3, name="latent")]),
        Sequential(
            [
                Input((3,)),
                layers.Dense(5, name="encoder_1"),
                layers.Dense(6, "relu", name="hidden"),
                layers.Dense(12, name="reconstruction"),
            ]
        ),
    )


PAIRS = {
    "pooling_that_leaves_places_out": lambda: image(layers.Conv2D(3, 3, padding="same"), layers.MaxPooling2D()),
    "average_pooling_of_one_axis": lambda: image(layers.AveragePooling2D((1, 2))),
    "default_padding": lambda: image(layers.Conv2D(3, 3), layers.Conv2D(2, 2, strides=2)),
    "rectangular_kernels": lambda: image(layers.Conv2D(3, (5, 1), (2, 1), "same"), layers.Conv2D(2, (1, 4))),
    "global_average_pooling": lambda: (
        Sequential([Input(IMAGE), layers.Conv2D(4, 3), layers.GlobalAveragePooling2D(), layers.Dense(3)]),
        dense_decoder(IMAGE),
    ),
    "global_max_pooling_keeps_axes": lambda: image(layers.Conv2D(4, 3), layers.GlobalMaxPooling2D(keepdims=True)),
    "global_pooling_of_series": lambda: series(layers.Conv1D(4, 3), layers.GlobalMaxPooling1D()),
    "the_latent_is_a_global_pooling": lambda: (
        Sequential([Input(IMAGE), layers.Conv2D(4, 3), layers.GlobalAveragePooling2D()]),
        dense_decoder(IMAGE, 4),
    ),
    "leaky": lambda: flat(layers.Dense(6), layers.LeakyReLU()),
    "leaky_of_a_slope": lambda: flat(layers.Dense(6), layers.LeakyReLU(negative_slope=0.05)),
    "elu": lambda: flat(layers.Dense(6), layers.ELU(0.5)),
    "prelu": lambda: flat(layers.Dense(6), layers.PReLU()),
    "prelu_of_channels": lambda: image(layers.Conv2D(3, 3), layers.PReLU(shared_axes=[1, 2])),
    "softmax": lambda: flat(layers.Dense(6), layers.Softmax()),
    "relu_of_6": lambda: flat(layers.Dense(6), layers.ReLU(max_value=6)),
    "activations": lambda: flat(
        layers.Dense(6, "relu6"), layers.Dense(5, "hard_sigmoid"), layers.Dense(4, "hard_silu")
    ),
    "noise": lambda: flat(layers.GaussianNoise(0.3), layers.Dense(6), layers.GaussianDropout(0.2)),
    "alpha_dropout": lambda: flat(layers.Dense(6, "selu"), layers.AlphaDropout(0.2)),
    "spatial_dropout": lambda: image(layers.Conv2D(4, 3), layers.SpatialDropout2D(0.3)),
    "spatial_dropout_of_series": lambda: series(layers.Conv1D(4, 3), layers.SpatialDropout1D(0.3), layers.Flatten()),
    "nested": nested,
    "time_distributed": lambda: series(
        layers.TimeDistributed(layers.Dense(4, "tanh")),
        layers.TimeDistributed(layers.LeakyReLU()),
        layers.TimeDistributed(layers.Dropout(0.1)),
        layers.Flatten(),
    ),
    "bidirectional": lambda: series(layers.Bidirectional(layers.LSTM(3))),
    "bidirectional_gru": lambda: series(
        layers.Bidirectional(layers.GRU(3, return_sequences=True), merge_mode="sum"), layers.LSTM(4)
    ),
    "gru_of_other_activations": lambda: series(
        layers.GRU(3, activation="softsign", recurrent_activation="hard_sigmoid")
    ),
    "lstm_of_the_guide": lstm_of_the_guide,
    "blog": blog,
    "transposed": transposed,
    "cropped": cropped,
    "same_names": same_names,
    "regularizers": lambda: flat(layers.Dense(6, kernel_regularizer="l2", bias_regularizer=regularizers.L1(0.1))),
    "latent_with_an_activation_layer": lambda: flat(layers.Dense(4), layers.Activation("tanh")),
    "latent_with_leaky": lambda: (
        Sequential([Input(FLAT), layers.Dense(3), layers.LeakyReLU(), layers.BatchNormalization()]),
        Sequential([Input((3,)), layers.Dense(12)]),
    ),
    "latent_without_bias": lambda: (
        Sequential([Input(FLAT), layers.Dense(3, use_bias=False)]),
        Sequential([Input((3,)), layers.Dense(12, use_bias=False)]),
    ),
}


@pytest.mark.parametrize("make", PAIRS.values(), ids=PAIRS)
def test_a_pair_of_keras_models_gives_what_it_gives_in_keras(make, rng, tmp_path):
    encoder, decoder = make()
    rows = rng.normal(size=(40, *encoder.input_shape[1:]))
    settings = {"series": True} if rows.ndim == 3 else {}
    model = Autoencoder(
        structure=(encoder, decoder),
        reconstruction_loss="gaussian",
        epochs=2,
        random_state=0,
        verbose=False,
        **settings,
    ).fit(rows)
    network, weights = model.model_.network, model.model_.weights
    for theirs, steps in ((encoder, network.encoder_steps), (decoder, network.decoder_steps)):
        before = theirs.get_weights()
        trained = [
            weights[f"{step.layer.name}/{name}"] for step in steps for name in step.layer.weights(step.input_shape)
        ]
        assert any(not np.array_equal(one, other) for one, other in zip(before, trained, strict=True))
        theirs.set_weights(trained)
    latents = encoder.predict(model.model_.adapter.adapt(rows), verbose=0)
    ours = model.encode(rows)
    np.testing.assert_allclose(ours, latents.reshape(40, -1), rtol=1e-5, atol=1e-5 * max(1, np.abs(latents).max()))
    restored = model.model_.adapter.restore(decoder.predict(latents, verbose=0).reshape(rows.shape))
    np.testing.assert_allclose(model.decode(ours), restored, rtol=1e-4, atol=1e-4)
    again = Autoencoder.load(model.save(tmp_path / "m"))
    np.testing.assert_array_equal(again.encode(rows), ours)
    # The settings that were loaded make the same network once more.
    known = again.get_params()
    assert build(known["structure"], network.input_shape, bottleneck=known["bottleneck"]) == network


def test_regularizers_are_the_penalty_that_keras_computes(rng):
    """Next to the losses of Keras, which are means over features: here they are sums."""
    encoder = Sequential(
        [
            Input(SERIES),
            layers.Bidirectional(layers.LSTM(2, recurrent_regularizer=regularizers.L2(0.3), return_sequences=True)),
            layers.TimeDistributed(layers.Dense(4, kernel_regularizer=regularizers.L1L2(0.1, 0.2))),
            layers.GRU(3, bias_regularizer="l1", name="named"),
            layers.Dense(2, kernel_regularizer=regularizers.L2(0.7)),
        ]
    )
    decoder = Sequential([Input((2,)), layers.Dense(24, kernel_regularizer="l2"), layers.Reshape(SERIES)])
    rows = rng.normal(size=(30, *SERIES))
    model = Autoencoder(structure=(encoder, decoder), series=True, epochs=1, random_state=0, verbose=False).fit(rows)
    penalty = model.model_.record.settings["penalty"]
    assert (penalty["kind"], penalty["weight"]) == ("regularizers", 24.0)
    assert penalty["of"][-2] == "bottleneck/kernel"
    weights, network = model.model_.weights, model.model_.network
    for theirs, steps in ((encoder, network.encoder_steps), (decoder, network.decoder_steps)):
        names = [f"{step.layer.name}/{name}" for step in steps for name in step.layer.weights(step.input_shape)]
        theirs.set_weights([weights[name] for name in names])
    of_keras = float(sum(encoder.losses) + sum(decoder.losses))
    ours = sum(
        l1 * np.abs(weights[of]).sum() + l2 * np.square(weights[of]).sum()
        for of, l1, l2 in zip(penalty["of"], penalty["l1"], penalty["l2"], strict=True)
    )
    assert ours == pytest.approx(of_keras, rel=1e-5)
    models = keras_builder.build(network)
    keras_builder.set_weights(models, network, weights)
    batch = Batch(rows, {}, models.bottleneck, models.raw_decoder, None)
    part = Regularizers(**{key: value for key, value in penalty.items() if key != "kind"})
    assert float(part.cost(network, batch, None)) == pytest.approx(of_keras, rel=1e-5)
    assert model.history_["penalty"][-1] > 0
    with pytest.raises(OptionError, match=r"leave out penalty .*or the regularizers"):
        Autoencoder(structure=(encoder, decoder), series=True, penalty="l2", epochs=1).fit(rows)
    more = Autoencoder(**{**model.get_params(), "structure": (encoder, decoder)}).fit(rows)
    np.testing.assert_array_equal(more.encode(rows), model.encode(rows))


def test_a_weight_that_no_layer_has_cannot_be_regularized(rng):
    with pytest.raises(OptionError, match=r"unknown weight 'kernle'. Did you mean"):
        Autoencoder(2, structure=[4], penalty=Regularizers(of=("kernle",), l1=(0.1,), l2=(0.0,)), epochs=1).fit(
            rng.normal(size=(30, 6))
        )
    with pytest.raises(OptionError, match="as many amounts"):
        Regularizers(of=("kernel", "bias"))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (own_layers.GaussianNoise(0.5, seed=1, name="a"), layers.GaussianNoise(0.5)),
        (own_layers.GaussianDropout(0.3, seed=1, name="b"), layers.GaussianDropout(0.3)),
        (own_layers.AlphaDropout(0.3, seed=1, name="c"), layers.AlphaDropout(0.3)),
        (own_layers.SpatialDropout(0.3, seed=1, name="d"), layers.SpatialDropout1D(0.3)),
        (own_layers.Dropout(0.3, seed=1, name="e"), layers.Dropout(0.3)),
    ],
)
def test_noise_has_the_distribution_of_keras_in_training(ours, theirs, rng):
    rows = rng.normal(size=(400, 50, 20)).astype(np.float32)
    mine, other = (keras.ops.convert_to_numpy(layer(rows, training=True)) for layer in (ours, theirs))
    for measure in (np.mean, np.std, lambda values: (values == 0).mean()):
        assert measure(mine) == pytest.approx(measure(other), abs=0.02)
    # A channel that spatial dropout drops is 0 at all places.
    zeros = (mine == 0).mean(axis=1)
    assert (set(np.unique(zeros)) == {0.0, 1.0}) == isinstance(ours, own_layers.SpatialDropout)
    np.testing.assert_array_equal(ours(rows, training=False), rows)
    again = type(ours).from_config(ours.get_config())
    assert again.get_config() == ours.get_config()


def test_a_latent_that_is_given_needs_a_pair_that_gives_it():
    pair = ([Dense(units=3, activation="tanh")], [Dense(units=6)])
    network = build(pair, (6,), bottleneck=Plain(latent_dim=3, as_given=True))
    assert [step.layer.kind for step in network.encoder_steps] == ["dense", "activation"]
    assert network.encoder[0].activation == "tanh"
    for bottleneck in (Plain(latent_dim=3, as_given=True), "plain:as_given=true"):
        with pytest.raises(OptionError, match="leave as_given out"):
            build([4], (6,), bottleneck=bottleneck)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: (Sequential([layers.Dense(3)]), dense_decoder(FLAT)), r"begin it with keras.Input\(\(784,\)\)"),
        (
            lambda: (Sequential([Input((None, None, 1)), layers.Conv2D(2, 3)]), dense_decoder(FLAT)),
            r"write all sizes, such as keras.Input\(\(28, 28, 1\)\)",
        ),
        (
            lambda: (blog()[0], dense_decoder((12, 12, 1), 18)),
            r"latents of shape \(3, 3, 2\): begin it with keras.Input",
        ),
    ],
)
def test_a_pair_whose_shapes_do_not_fit_says_what_to_write(make, message):
    with pytest.raises((OptionError, ShapeError), match=message) as caught:
        build(make(), FLAT)
    assert "\n" not in str(caught.value)


def test_margins_that_leave_nothing_or_are_of_other_axes_are_refused():
    with pytest.raises(ShapeError, match=r"leaves nothing of"):
        Cropping(before=(2,), after=(2,)).output_shape((4, 3))
    with pytest.raises(ShapeError, match="has sizes for 1 axes, and the rows have 2"):
        Cropping(before=(2,), after=(2,)).output_shape((4, 5, 3))
    with pytest.raises(ShapeError, match=r"a window of .* does not fit into"):
        Convolution(filters=2, size=5, padding="valid").output_shape((4, 5, 3))
    with pytest.raises(ShapeError, match="one size for each axis, or one number for all"):
        Convolution(filters=2, size=(3, 3)).output_shape((4, 3))
    with pytest.raises(OptionError, match="padding 'same' or 'valid'"):
        Convolution(filters=2, padding="sane")
    with pytest.raises(OptionError, match=r"size must be a list of whole numbers, or one of them, got 3.0"):
        Convolution(filters=2, size=3.0)

import math

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diabolo import Autoencoder
from diabolo.errors import OptionError, ShapeError
from diabolo.network import layers
from diabolo.network.backends.keras import builder as keras_builder
from diabolo.network.bottlenecks import Plain
from diabolo.network.network import Network
from diabolo.network.structures import build


def sizes(network):
    return [math.prod(step.output_shape) for step in network.steps if isinstance(step.layer, layers.Dense)]


def test_sizes_are_read_from_the_features_to_the_latent():
    assert sizes(build("784-256-128", (784,))) == [256, 128, 256, 784]
    assert sizes(build("784-128", (784,))) == [128, 784]


def test_sizes_written_in_full_mean_the_same_as_their_first_half():
    assert build("784-256-128-256-784", (784,)) == build("784-256-128", (784,))


def test_hidden_widths_take_the_latent_from_latent_dim():
    assert sizes(build([256, 64], (784,), latent_dim=5)) == [256, 64, 5, 64, 256, 784]
    assert sizes(build([], (784,), latent_dim=5)) == [5, 784]


def test_the_layer_of_the_latent_is_called_bottleneck_and_every_layer_has_a_name():
    network = build("dense", (28, 28, 1), latent_dim=4)
    assert network.encoder_steps[-1].layer.name == "bottleneck"
    assert network.latent_shape == (4,)


def test_the_decoder_mirrors_widths_activations_normalisation_and_dropout():
    encoder = [
        layers.Flatten(),
        layers.Dense(units=32),
        layers.BatchNormalization(),
        layers.Activation(function="gelu"),
        layers.Dropout(rate=0.1),
        layers.Dense(units=16, activation="tanh"),
    ]
    network = build(encoder, (4, 5, 2), latent_dim=3)
    drawn = [(layer.kind, getattr(layer, "activation", "")) for layer in network.decoder]
    assert drawn == [
        ("dense", "tanh"),
        ("dense", "linear"),
        ("batch_normalization", ""),
        ("activation", ""),
        ("dropout", ""),
        ("dense", "linear"),
        ("reshape", ""),
    ]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(1, 7), min_size=1, max_size=3).map(tuple),
    st.lists(st.integers(1, 9), max_size=3),
    st.integers(1, 4),
)
def test_the_decoder_always_brings_the_shape_back(shape, hidden, latent_dim):
    network = build(hidden, shape, latent_dim=latent_dim, allow_overcomplete=True)
    assert network.decoder_steps[-1].output_shape == shape
    assert Network.from_config(network.to_config()) == network


def test_weights_are_those_that_keras_builds():
    network = build("dense", (6, 6, 1), latent_dim=4)
    models = keras_builder.build(network)
    assert sum(map(math.prod, network.weights().values())) == models.autoencoder.count_params()


def test_the_same_seed_gives_the_same_first_weights_and_another_seed_others():
    network = build("dense", (30,), latent_dim=4)
    first, again, other = (
        keras_builder.get_weights(keras_builder.build(network, seed=seed), network) for seed in (1, 1, 2)
    )
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["bottleneck/kernel"], other["bottleneck/kernel"])
    assert not np.array_equal(first["encoder_1/kernel"].ravel()[:50], first["decoder_2/kernel"].ravel()[:50])


@pytest.mark.parametrize(
    ("structure", "options", "message"),
    [
        ("dens", {}, "Did you mean 'dense'"),
        ("700-3", {}, "write '784-3'"),
        ("784", {}, "at least the features and the latent"),
        ("784-0-3", {}, "unknown structure"),
        ("784-12", {"latent_dim": 5}, "leave one out"),
        ("784-784", {}, "choose at most 783"),
        ([3.5], {"latent_dim": 2}, "structure must be a name"),
        ("dense", {"latent_dim": 0}, "at least 1, got 0"),
        ("dense", {"latent_dim": 784}, "choose at most 783"),
        ("dense", {"latent_dim": 2.5}, "whole number"),
        ("dense", {"latent_dim": True}, "whole number"),
        ("dense", {"activation": "rellu"}, "Did you mean 'relu'"),
        ("dense", {"bottleneck_activation": "tan"}, "Did you mean 'tanh'"),
    ],
)
def test_a_structure_that_cannot_be_is_refused_in_one_line(structure, options, message):
    with pytest.raises(OptionError, match=message) as caught:
        build(structure, (784,), **options)
    assert "\n" not in str(caught.value)


def test_an_overcomplete_latent_is_built_when_it_is_asked_for():
    assert build("dense", (2,), latent_dim=2, allow_overcomplete=True).latent_dim == 2
    assert build("dense", (1,)).latent_dim == 1  # there is no other choice
    with pytest.raises(OptionError, match="choose at most 1, or pass allow_overcomplete=True"):
        build("dense", (1,), latent_dim=2)


def test_a_network_that_does_not_hold_together_is_refused():
    with pytest.raises(ShapeError, match="expected \\(4,\\)"):
        Network(
            input_shape=(4,),
            encoder=(),
            bottleneck=Plain(latent_dim=2),
            decoder=(layers.Dense(units=3, name="a"),),
        )
    with pytest.raises(OptionError, match="a name of its own"):
        Network(
            input_shape=(4,),
            encoder=(layers.Dense(units=3, name="a"),),
            bottleneck=Plain(latent_dim=2),
            decoder=(layers.Dense(units=4, name="a"),),
        )
    with pytest.raises(ShapeError, match="Flatten"):
        Network(input_shape=(4, 2), encoder=(), bottleneck=Plain(latent_dim=2), decoder=())


def test_the_default_hidden_layers_follow_the_width_of_a_row():
    for features, widths in ((784, [512, 256]), (20, [32, 16]), (100, [128, 64])):
        assert [layer.units for layer in build("dense", (features,)).encoder] == widths


@pytest.mark.parametrize(
    ("structure", "shape", "expected"),
    [
        ("conv 8-16", (9, 5, 1), "convolution flatten | dense reshape transposed_convolution transposed_convolution"),
        ("pool 8", (9, 5, 1), "convolution pooling flatten | dense reshape upsampling convolution"),
        ("conv1d 8", (9, 5), "convolution flatten | dense reshape transposed_convolution"),
        ("lstm 8-4", (9, 5), "lstm lstm | dense repeat lstm dense lstm dense"),
        ("gru 4", (9, 5, 1), "reshape gru | dense repeat gru dense reshape"),
        ("residual 8x2", (9,), "dense residual residual | dense residual residual dense"),
        ("conv 8, dense 16", (9, 5, 1), "convolution flatten dense | dense dense reshape transposed_convolution"),
    ],
)
def test_words_become_layers_and_the_layers_that_undo_them(structure, shape, expected):
    network = build(structure, shape, latent_dim=2)
    encoder, decoder = (" ".join(layer.kind for layer in part) for part in (network.encoder, network.decoder))
    assert f"{encoder} | {decoder}".replace("convolution convolution flatten", "convolution flatten") == expected


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(
        ["conv 3-2", "pool 3-2", "conv1d 3", "pool1d 2-3", "lstm 3", "gru 3-2", "attention 4x1", "conv 2, dense 5"]
    ),
    st.tuples(st.integers(1, 33), st.integers(1, 33), st.integers(1, 4)),
)
def test_every_structure_brings_every_size_back(structure, shape):
    for row in (shape, shape[:2]):
        if structure.startswith("conv 2,") or len(row) == 3 or structure.split()[0] not in ("conv", "pool"):
            network = build(structure, row, latent_dim=1, allow_overcomplete=True)
            assert network.decoder_steps[-1].output_shape == row
            assert Network.from_config(network.to_config()) == network


@pytest.mark.parametrize(("latents", "skips"), [(2, 3), (4, 3), (5, 1), (32, 1)])
def test_convolutions_without_sizes_are_followed_by_more_skips_where_latents_are_few(latents, skips):
    network = build("conv", (28, 28, 1), latent_dim=latents)
    assert [layer.kind for layer in network.encoder].count("skip") == skips
    assert [layer.units for layer in network.encoder if layer.kind == "skip"] == [256] * skips


@pytest.mark.parametrize(
    ("structure", "shape", "message"),
    [
        ("conv", (784,), "needs images .* or series"),
        ("lstm", (784,), "needs series"),
        ("attention 30", (8, 8, 1), "a multiple of 4"),
        ("conv 8, pol 3", (8, 8, 1), "Did you mean 'pool'"),
        ("conv x3", (8, 8, 1), "expected sizes such as 'conv 64-32'"),
        ("conv 8x2", (8, 8, 1), "only attention and residual take"),
        ("dense 0", (8,), "expected sizes"),
    ],
)
def test_words_that_make_no_structure_are_refused_in_one_line(structure, shape, message):
    with pytest.raises(OptionError if "needs" not in message else ShapeError, match=message):
        build(structure, shape)


def kinds(encoder, shape):
    network = build(encoder, shape, latent_dim=2)
    return [(layer.kind, getattr(layer, "activation", "")) for layer in network.decoder]


def test_nothing_follows_the_raw_numbers_wherever_the_shape_is_flattened():
    follower = layers.Dropout(rate=0.3)
    for encoder in (
        [follower, layers.Dense(units=9, activation="relu")],  # the Flatten is put in front
        [layers.Flatten(), follower, layers.Dense(units=9, activation="relu")],
        [follower, layers.Flatten(), layers.Dense(units=9, activation="relu")],
    ):
        assert kinds(encoder, (3, 4)) == [("dense", "relu"), ("dense", "linear"), ("reshape", "")]


def test_activation_and_followers_come_back_through_a_reshaping():
    encoder = [
        layers.Dense(units=8, activation="relu"),
        layers.BatchNormalization(),
        layers.Flatten(),
        layers.Dropout(rate=0.1),
        layers.Dense(units=16, activation="tanh"),
    ]
    assert kinds(encoder, (3, 4)) == [
        ("dense", "tanh"),
        ("dense", "relu"),
        ("dropout", ""),
        ("reshape", ""),
        ("batch_normalization", ""),
        ("dense", "linear"),
    ]


@pytest.mark.parametrize("name", ["rows", "latent", "reconstruction", "adapter", "bottleneck", "decoder_1"])
def test_a_name_that_is_taken_is_refused_with_a_remedy(name):
    with pytest.raises(OptionError, match="leave names out, or choose others"):
        build([layers.Dense(units=4, name=name)], (6,), latent_dim=2)


@pytest.mark.parametrize("name", ["a/b", "a b", "é"])
def test_a_name_that_files_and_graphs_cannot_hold_is_refused(name):
    with pytest.raises(OptionError, match="a name may hold up to 100 letters"):
        layers.Dense(units=4, name=name)


@pytest.mark.parametrize(
    ("structure", "hint"), [(256, r"write \[256\]"), (None, "got None"), ("8-" + "9" * 5000, "unknown")]
)
def test_what_is_no_structure_at_all_is_refused(structure, hint):
    with pytest.raises(OptionError, match=hint):
        build(structure, (784,))


def test_tied_layers_use_the_kernels_of_the_encoder_turned_over(digits, tmp_path):
    model = Autoencoder(8, structure=[32], tied=True, activation="tanh", epochs=1, random_state=0)
    model.fit(digits.x_train[:300].reshape(-1, 784))
    weights = model.model_.weights
    assert [name for name in weights if name.endswith("kernel")] == ["encoder_1/kernel", "bottleneck/kernel"]
    latents = model.encode(digits.x_test[:5].reshape(-1, 784))
    # The decoder by NumPy, on the kernels of the encoder.
    hidden = np.tanh(latents @ weights["bottleneck/kernel"].T + weights["decoder_1/bias"])
    raw = hidden @ weights["encoder_1/kernel"].T + weights["decoder_2/bias"]
    by_hand = np.rint(255 / (1 + np.exp(-raw)))
    np.testing.assert_allclose(model.decode(latents), by_hand, atol=1)
    again = Autoencoder.load(model.save(tmp_path / "m"))
    np.testing.assert_array_equal(again.decode(latents), model.decode(latents))
    assert again.get_params()["tied"] is True


@pytest.mark.parametrize("bottleneck", ["plain", "sparse", "gaussian"])
def test_two_keras_models_are_a_structure(bottleneck, digits, tmp_path):
    encoder = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            keras.layers.Conv2D(4, 3, strides=2, padding="same", activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.MaxPooling2D(2, padding="same"),
            keras.layers.Flatten(),
            keras.layers.Dense(16, activation="tanh" if bottleneck != "gaussian" else None, name="code"),
        ]
    )
    rows = keras.Input((16,))
    hidden = keras.layers.Reshape((7, 7, 4))(keras.layers.Dense(196, activation="relu")(rows))
    hidden = keras.layers.UpSampling2D(2)(hidden)
    ends = keras.layers.Conv2DTranspose(1, 3, strides=2, padding="same", activation="sigmoid")(hidden)
    decoder = keras.Model(rows, ends)
    model = Autoencoder(structure=(encoder, decoder), bottleneck=bottleneck, epochs=1, random_state=0)
    model.fit(digits.x_train[:200])
    trained = model.to_keras()
    kinds = [type(layer).__name__ for layer in trained.layers if type(layer).__name__ != "InputLayer"]
    assert kinds[:5] == ["Conv2D", "BatchNormalization", "MaxPooling2D", "Flatten", "Dense"]
    assert trained.count_params() == encoder.count_params() + decoder.count_params()
    encoder = keras.Model(trained.input, trained.get_layer("bottleneck").output)
    latents = np.asarray(encoder(model.model_.adapter.adapt(digits.x_test)))
    assert (np.abs(latents).max() <= 1 and latents.min() < 0) == (bottleneck != "gaussian")
    again = Autoencoder.load(model.save(tmp_path / "m"))
    np.testing.assert_array_equal(again.encode(digits.x_test), model.encode(digits.x_test))
    # The settings that were loaded make the same network once more.
    more = Autoencoder(**again.get_params()).fit(digits.x_train[:200])
    np.testing.assert_array_equal(more.encode(digits.x_test), model.encode(digits.x_test))


def test_keras_models_that_the_table_does_not_know_are_refused_with_another_way():
    encoder = keras.Sequential([keras.Input((6,)), keras.layers.UnitNormalization(), keras.layers.Dense(2)])
    decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(6)])
    with pytest.raises(OptionError, match=r"unknown kind of layer 'UnitNormalization'.* diabolo.training.fit"):
        build((encoder, decoder), (6,))
    rectifier = keras.Sequential([keras.Input((6,)), keras.layers.Dense(2, "tanh"), keras.layers.ReLU()])
    with pytest.raises(OptionError, match=r"the encoder must end in a dense layer.* such as keras.layers.Dense\(8\)"):
        build((rectifier, decoder), (6,), bottleneck="gaussian")
    with pytest.raises(ShapeError, match=r"the decoder gives rows of shape \(6,\), expected \(7,\)"):
        build((keras.Sequential([keras.Input((7,)), keras.layers.Dense(2)]), decoder), (7,))


def test_a_latent_of_ones_own_keeps_its_activation_or_says_that_it_cannot():
    def built(bottleneck, **settings):
        pair = ([layers.Dense(units=3, **settings)], [layers.Dense(units=6)])
        return build(pair, (6,), bottleneck=bottleneck).bottleneck

    assert built("sparse", activation="tanh").activation == built("plain", activation="tanh").activation == "tanh"
    assert built("sparse").activation == "relu"
    assert built("sparse:activation=elu", activation="tanh").activation == "elu"
    assert built("plain:activation=elu").activation == built(Plain(latent_dim=3, activation="elu")).activation == "elu"
    with pytest.raises(OptionError, match="activation 'tanh', which a quantized bottleneck has no place for"):
        built("quantized", activation="tanh")
    assert built("plain", use_bias=False).as_given
    with pytest.raises(OptionError, match="add a dense layer with a bias"):
        built("sparse", use_bias=False)


def test_a_keras_decoder_that_does_not_take_the_latent_is_refused():
    encoder = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)])
    decoder = keras.Sequential([keras.Input((4,)), keras.layers.Dense(6)])
    with pytest.raises(ShapeError, match=r"takes rows of shape \(4,\), but the encoder gives 3 latents"):
        build((encoder, decoder), (6,))


def tutorial(*last):
    """An encoder and a decoder for grey images without a channel axis, as Keras' tutorials have them."""
    encoder = keras.Sequential([keras.Input((28, 28)), keras.layers.Flatten(), keras.layers.Dense(16)])
    return encoder, keras.Sequential([keras.Input((16,)), keras.layers.Dense(784), *last])


def test_the_last_activation_is_left_to_the_loss_also_before_a_reshape(digits):
    for last in (
        [keras.layers.Activation("sigmoid"), keras.layers.Reshape((28, 28))],
        [keras.layers.Reshape((28, 28))],
    ):
        network = build(tutorial(*last), (28, 28, 1))
        assert [step.layer.kind for step in network.decoder_steps] == ["dense", "reshape", "reshape"]
        assert network.decoder[0].activation == "linear"
    encoder, decoder = tutorial(keras.layers.Reshape((28, 28)))
    decoder.layers[0].activation = keras.activations.sigmoid
    assert build((encoder, decoder), (28, 28, 1)).decoder[0].activation == "linear"
    model = Autoencoder(structure=(encoder, decoder), epochs=12, random_state=0)
    model.fit(digits.x_train[:500])
    assert model.reconstruct(digits.x_test).min() < 20


def test_keras_models_that_are_no_chain_or_hold_what_the_table_cannot_are_refused():
    rows = keras.Input((12,))
    dense = keras.layers.Dense(12)
    decoder = keras.Sequential([keras.Input((3,)), keras.layers.Dense(12)])
    image = keras.Input((4, 4, 1))
    cases = [
        (keras.Model(rows, keras.layers.Dense(3)(rows) + keras.layers.Dense(3)(rows)), "must be a chain"),
        (keras.Model(rows, keras.layers.Dense(3)(dense(dense(rows)))), "or is used twice"),
        (keras.Model(rows, keras.layers.Dense(3, kernel_constraint="non_neg")(rows)), "kernel_constraint="),
        (keras.Model(rows, keras.layers.Dense(3, kernel_regularizer="orthogonal_regularizer")(rows)), "L1L2"),
        (
            keras.Model(
                image, keras.layers.Dense(3)(keras.layers.Flatten()(keras.layers.BatchNormalization(axis=1)(image)))
            ),
            "normalises axis 1",
        ),
    ]
    for encoder, message in cases:
        with pytest.raises(OptionError, match=message):
            build((encoder, decoder), (12,))


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (keras.layers.Dense(4, activity_regularizer="l1"), "activity_regularizer=.* pass bottleneck='sparse'"),
        (keras.layers.Dense(4, bias_constraint="non_neg"), "bias_constraint="),
        (keras.layers.LSTM(4, activation="softplus"), "unknown activation 'softplus'"),
        (keras.layers.LSTM(4, go_backwards=True), "leave use_bias, go_backwards and stateful out"),
        (keras.layers.Bidirectional(keras.layers.LSTM(4, dropout=0.1)), "put keras.layers.Dropout before the layer"),
        (keras.layers.Bidirectional(keras.layers.SimpleRNN(4)), "expected LSTM or GRU"),
        (keras.layers.TimeDistributed(keras.layers.EinsumDense("ab,bc->ac", 4)), "TimeDistributed around EinsumDense"),
        (keras.layers.Conv1D(4, 3, padding="causal"), "padding 'causal', expected 'same' or 'valid'"),
        (keras.layers.Conv1D(4, 3, dilation_rate=2), "a dilation or groups"),
        (keras.layers.MaxPooling1D(3, strides=2), "leave strides out"),
        (keras.layers.Rescaling(0.1), "Rescaling is not known here: leave it out: rows are scaled by Diabolo"),
        (keras.layers.Softmax(axis=1), "expected the last"),
        (keras.layers.GRU(4, recurrent_constraint="unit_norm"), "recurrent_constraint="),
        (keras.layers.LayerNormalization(beta_constraint="non_neg"), "beta_constraint="),
        (keras.layers.Conv1D(4, 3, padding="same", trainable=False), "trainable=False"),
    ],
)
def test_a_setting_of_keras_that_would_be_lost_is_refused(layer, message):
    encoder = keras.Sequential([keras.Input((6, 2)), layer, keras.layers.Flatten(), keras.layers.Dense(3)])
    decoder = keras.Sequential([keras.Input((3,)), keras.layers.Dense(12), keras.layers.Reshape((6, 2))])
    with pytest.raises(OptionError, match=message):
        build((encoder, decoder), (6, 2))


def test_a_pair_of_ones_own_is_tied_and_narrow_like_any_other():
    lists = ([layers.Dense(units=3)], [layers.TiedDense(of="bottleneck", units=12)])
    assert [step.layer.kind for step in build(lists, (12,)).steps] == ["dense", "tied_dense"]
    with pytest.raises(OptionError, match="leave tied out"):
        build(lists, (12,), tied=True)
    with pytest.raises(OptionError, match="latent_dim must be below the number of features"):
        build(([layers.Dense(units=30)], [layers.Dense(units=12)]), (12,))
    with pytest.raises(ShapeError, match="needs a dense layer of the encoder"):
        build(([layers.Dense(units=3)], [layers.Dense(units=3, name="a"), layers.TiedDense(of="a", units=3)]), (3,))


def test_a_network_larger_than_a_file_may_hold_is_refused_before_it_is_trained():
    rows = np.zeros((4, 1030, 1030), np.uint8)
    rows[0, 0, 0] = 1
    with pytest.raises(OptionError, match=r"layer 'encoder_1' has 33,948,800 numbers a row, more than 16,777,216"):
        Autoencoder(2, structure="pool 32").fit(rows)
    with pytest.raises(OptionError, match="more than 256 layers: choose fewer"):
        Autoencoder(2, structure="residual 8x130").fit(np.random.default_rng(0).random((20, 12)))


def test_numbers_that_nobody_could_print_or_compute_with_are_refused():
    with pytest.raises(OptionError, match="units must be between -"):
        layers.Dense(units=10**5000)
    for value in (math.nan, math.inf):
        with pytest.raises(OptionError, match="rate must be a finite number"):
            layers.Dropout(rate=value)

"""The compiled loop compared with the trainer of Keras: the same numbers, fewer calls from Python."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from diabolo import Autoencoder, training
from diabolo.data.adapters.rows import aligned
from diabolo.data.windows import Resident
from diabolo.errors import DataError, OptionError, ShapeError
from diabolo.network import losses, structures
from diabolo.network.backends.keras import builder as keras_builder
from diabolo.training import Shard, Spec, backend, train
from diabolo.training.engines import Compiled
from diabolo.training.program import Program, Reconstruction, on_device
from diabolo.training.xla import choose


@pytest.fixture(scope="module")
def rows(digits):
    return digits.x_train[:650].reshape(-1, 784)  # 650 = 10 * 64 + 10


@pytest.fixture(scope="module")
def scaled(rows):
    return (rows / 255).astype(np.float32)


def reconstruct(rows, *, seed=0, hidden=(32,), validation=None, **settings):
    """Train a small network and return the outcome and its weights."""
    network = structures.build(list(hidden), rows.shape[1:], latent_dim=8)
    models = keras_builder.build(network, seed=0)
    options = {"optimizer": keras.optimizers.Adam(0.001), "epochs": 3, "batch_size": 64, "seed": seed} | settings
    spec = Spec(models=models, network=network, loss=losses.Bernoulli(), **options)
    outcome = train(spec, Shard(rows=rows, validation=validation, scale=255.0))
    weights = keras_builder.get_weights(models, network)
    return outcome, np.concatenate([weights[name].ravel() for name in sorted(weights)])


def compiled_model(optimizer="adam", *, metrics=(), dropout=0.0, **settings):
    """Return a Keras model with known first weights; settings go to compile()."""
    model = keras.Sequential(
        [
            keras.Input((784,)),
            keras.layers.Dense(16, "relu", kernel_initializer=keras.initializers.GlorotUniform(1)),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(dropout, seed=3),
            keras.layers.Dense(784, kernel_initializer=keras.initializers.GlorotUniform(2)),
        ]
    )
    model.compile(optimizer, keras.losses.BinaryCrossentropy(from_logits=True), metrics=list(metrics), **settings)
    return model


compiled_or_not = pytest.mark.parametrize("compiled", [True, False], ids=["XLA", "plain"])


@compiled_or_not
def test_our_steps_compute_what_keras_fit_computes(rows, scaled, compiled):
    outcome, weights = reconstruct(rows, epochs=1, seed=9, compile=compiled)
    network = structures.build([32], (784,), latent_dim=8)
    peer = keras_builder.build(network, seed=0)
    order = np.random.default_rng([9, 0]).permutation(len(rows))
    peer.raw.compile(
        keras.optimizers.Adam(0.001),
        loss=lambda target, raw: 784 * keras.losses.binary_crossentropy(target, raw, from_logits=True),
    )
    history = peer.raw.fit(scaled[order], scaled[order], batch_size=64, epochs=1, shuffle=False, verbose=0).history
    assert outcome.history["loss"][0] == pytest.approx(history["loss"][0], rel=1e-4)
    theirs = keras_builder.get_weights(peer, network)
    # Adam divides by the size of a gradient, so where one is all rounding a weight may go another way: most must agree.
    flat = np.concatenate([theirs[name].ravel() for name in sorted(theirs)])
    assert np.quantile(np.abs(weights - flat), 0.99) < 1e-4


@compiled_or_not
def test_any_number_of_steps_a_call_gives_the_same_bits(rows, compiled):
    one, weights_one = reconstruct(rows, steps_a_call=1, compile=compiled, validation=rows[:100])
    many, weights_many = reconstruct(rows, steps_a_call=7, compile=compiled, validation=rows[:100])
    free, weights_free = reconstruct(rows, compile=compiled, validation=rows[:100])
    assert one.history == many.history == free.history
    np.testing.assert_array_equal(weights_one, weights_many)
    np.testing.assert_array_equal(weights_one, weights_free)


def test_xla_trains_to_the_same_loss_as_without(rows):
    with_xla, _ = reconstruct(rows, compile=True, validation=rows[:100])
    without, _ = reconstruct(rows, compile=False, validation=rows[:100])
    for curve in ("loss", "val_loss"):
        np.testing.assert_allclose(with_xla.history[curve], without.history[curve], rtol=1e-3)


def test_the_program_is_traced_once_however_the_steps_are_dealt_out(rows):
    network = structures.build([32], (784,), latent_dim=8)
    models = keras_builder.build(network)
    steps = Reconstruction(models, network, losses.Bernoulli(), keras.optimizers.Adam(0.001), scale=255.0)
    windows = Resident(tf.constant(rows), len(rows), seed=0)
    program, _ = choose(True, models.raw, steps, windows, 64, epochs=1)
    window = on_device(next(windows.epoch(0)))
    counter = []
    for start, count in ((0, 1), (1, 3), (4, 2), (0, 7), (2, 8), (0, 11)):
        program.run(window, start, count)
        counter.append(program._full.experimental_get_tracing_count())
    assert set(counter) == {1}


COMPILE = """
import sys
from diabolo import Autoencoder
from diabolo.training.engines import Compiled

model = Autoencoder(4, structure=[16], epochs=3, batch_size=32, random_state=0, memory=sys.argv[2])
model.fit(sys.argv[1], engine=Compiled(compile=True, steps_a_call=3))
"""


@pytest.mark.parametrize(
    "memory", [pytest.param("1GB", id="in memory"), pytest.param("60kB", id="streamed", marks=pytest.mark.slow)]
)
def test_xla_compiles_a_training_once(run, tmp_path, memory):
    np.save(tmp_path / "rows.npy", np.random.default_rng(0).normal(size=(1000, 20)).astype(np.float32))
    done = run("-c", COMPILE, tmp_path / "rows.npy", memory, env={"XLA_FLAGS": f"--xla_dump_to={tmp_path / 'dump'}"})
    assert done.code == 0, done.err
    programs = [path.name for path in (tmp_path / "dump").glob("*before_optimizations.txt")]
    assert len([name for name in programs if "many_full" in name]) == 1, programs


def test_rows_of_an_epoch_are_each_seen_once_in_an_order_that_the_seed_decides(rows):
    seen = []

    class Watch:
        def train(self, batch):
            tf.py_function(lambda places: seen.extend(places.numpy().tolist()), [batch], [])

        def results(self):
            return {"loss": 0.0}

        def reset(self):
            pass

        def test(self, batch):
            pass

        def variables(self):
            return []

    from diabolo.training.loop import epochs

    program = Program(Watch(), 64, compiled=False)
    list(epochs(program, None, Resident(tf.range(150), 150, seed=4), epochs=2))
    for epoch in range(2):
        expected = np.random.default_rng([4, epoch]).permutation(150).tolist()
        assert seen[150 * epoch : 150 * (epoch + 1)] == expected


OPTIMIZERS = {
    "adam": lambda: keras.optimizers.Adam(0.001),
    "schedule": lambda: keras.optimizers.SGD(
        keras.optimizers.schedules.CosineDecay(0.1, 22), momentum=0.9, nesterov=True
    ),
    "clipping": lambda: keras.optimizers.Adam(0.001, clipnorm=0.01),
    "accumulation": lambda: keras.optimizers.Adam(0.01, gradient_accumulation_steps=3),
    "ema": lambda: keras.optimizers.RMSprop(0.001, use_ema=True),
    "loss scaling": lambda: keras.mixed_precision.LossScaleOptimizer(keras.optimizers.Adam(0.001)),
}


@pytest.mark.parametrize(
    ("optimizer", "compiled"),
    [
        *(pytest.param(make, False, id=f"{name}-plain") for name, make in OPTIMIZERS.items()),
        *(pytest.param(OPTIMIZERS[name], True, id=f"{name}-XLA") for name in ("adam", "clipping")),
        *(
            pytest.param(OPTIMIZERS[name], True, id=f"{name}-XLA", marks=pytest.mark.slow)
            for name in ("schedule", "accumulation", "ema", "loss scaling")
        ),
    ],
)
def test_fit_of_a_compiled_model_is_that_of_keras(scaled, optimizer, compiled):
    ours, theirs = compiled_model(optimizer(), metrics=["mse"]), compiled_model(optimizer(), metrics=["mse"])
    history = training.fit(
        ours, scaled, epochs=2, batch_size=64, shuffle=False, validation_split=0.2, verbose=0, compile=compiled
    ).history
    peer = theirs.fit(scaled, scaled, epochs=2, batch_size=64, shuffle=False, validation_split=0.2, verbose=0).history
    assert set(history) == set(peer)
    for name, curve in peer.items():
        np.testing.assert_allclose(history[name], curve, rtol=2e-3)
    assert int(ours.optimizer.iterations) == int(theirs.optimizer.iterations)


def test_a_model_that_writes_its_own_train_step_is_trained_by_it(scaled):
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.down, self.up = keras.layers.Dense(8), keras.layers.Dense(784)
            self.distance = keras.metrics.Mean("distance")

        def call(self, rows):
            return self.up(self.down(rows))

        def train_step(self, data):
            x, _ = data
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(tf.square(self(x) - x))
            variables = self.trainable_variables
            self.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
            self.distance.update_state(loss)
            return {"distance": self.distance.result()}

    model = Own()
    model.compile("adam", loss="mse")
    curve = training.fit(model, scaled, epochs=3, verbose=0).history["distance"]
    assert curve[0] > curve[1] > curve[2]


def test_random_layers_draw_anew_at_every_step(scaled):
    # The network stands still on equal rows, so its loss differs from batch to batch by the draw of the dropout alone.
    # (Not with a rate of a half: a number that is either dropped or doubled is off by itself either way.)
    same = np.repeat(scaled[:1], 64, axis=0)
    losses_seen = []
    watch = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: losses_seen.append(logs["loss"]))
    model = keras.Sequential(
        [
            keras.Input((784,)),
            keras.layers.Dropout(0.2, seed=1),
            keras.layers.Dense(784, kernel_initializer="identity"),
        ]
    )
    model.compile(keras.optimizers.SGD(0.0), "mse")
    training.fit(model, same, batch_size=16, epochs=1, steps_a_call=1, callbacks=[watch], verbose=0)
    assert len(set(losses_seen)) == 4


def test_mixed_precision_trains(scaled):
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = compiled_model()
    finally:
        keras.config.set_dtype_policy(policy)
    curve = training.fit(model, scaled, epochs=4, verbose=0, seed=0).history["loss"]
    assert model.layers[0].compute_dtype == "bfloat16"
    assert curve[-1] < curve[0]


def test_callbacks_of_keras_work_at_epochs_and_steps(scaled, tmp_path):
    batches, rates = [], []
    stop = keras.callbacks.EarlyStopping("val_loss", patience=1, min_delta=10.0)  # nothing is ever 10 better
    history = training.fit(
        compiled_model(),
        scaled,
        epochs=9,
        batch_size=64,
        validation_data=(scaled[:64], scaled[:64]),
        steps_a_call=4,
        verbose=0,
        callbacks=[
            stop,
            keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", monitor="val_loss", save_best_only=True),
            keras.callbacks.LearningRateScheduler(lambda epoch: 0.001 / (epoch + 1)),
            keras.callbacks.TensorBoard(tmp_path / "board"),
            keras.callbacks.LambdaCallback(
                on_train_batch_end=lambda batch, logs: batches.append(batch),
                on_epoch_end=lambda epoch, logs: rates.append(logs["learning_rate"]),
            ),
        ],
    )
    assert history.epoch == [0, 1]
    assert batches == [3, 7, 10] * 2
    np.testing.assert_allclose(rates, [0.001, 0.0005])
    assert keras.saving.load_model(tmp_path / "best.keras").predict(scaled[:2], verbose=0).shape == (2, 784)
    assert list((tmp_path / "board").rglob("events*"))


def test_several_inputs_targets_and_weights_go_through(rng):
    a, b = keras.Input((3,), name="a"), keras.Input((2,), name="b")
    model = keras.Model({"a": a, "b": b}, keras.layers.Dense(1)(keras.layers.Concatenate()([a, b])))
    model.compile("sgd", "mse")
    x = {"a": rng.random((40, 3)), "b": rng.random((40, 2))}
    heavy = np.zeros(40)
    before = model.get_weights()
    training.fit(model, x, rng.random((40, 1)), sample_weight=heavy, epochs=1, verbose=0)
    for ours, first in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, first)  # rows of weight 0 teach nothing
    training.fit(model, x, rng.random((40, 1)), epochs=1, verbose=0)
    assert any((ours != first).any() for ours, first in zip(model.get_weights(), before, strict=True))


def test_a_seed_decides_the_order_and_no_seed_draws_one(scaled):
    def weights(**settings):
        model = compiled_model()
        training.fit(model, scaled, epochs=1, verbose=0, **settings)
        return model.get_weights()[0]

    assert np.array_equal(weights(seed=1), weights(seed=1))
    assert not np.array_equal(weights(seed=1), weights(seed=2))
    assert not np.array_equal(weights(), weights())


def test_a_trial_changes_nothing(rows, monkeypatch):
    from diabolo.training import xla as module

    monkeypatch.setattr(module, "FAST_IN_XLA", ())  # as if the layers were not known
    monkeypatch.setattr(module, "SECONDS_TO_COMPILE", 0.0)
    monkeypatch.setattr(module, "SECONDS_WORTH_A_TRIAL", 0.0)
    chosen, weights = reconstruct(rows)
    assert "ms a step with XLA" in chosen.choice.reason
    forced, expected = reconstruct(rows, compile=chosen.choice.compiled)
    np.testing.assert_array_equal(weights, expected)
    assert chosen.history == forced.history


def test_small_work_is_not_compiled_and_the_reason_is_given(rows):
    outcome, _ = reconstruct(rows)
    assert outcome.choice == (False, "33 steps are too few to pay for compiling")
    assert reconstruct(rows, compile=True)[0].choice == (True, "asked for")


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda X: training.fit(keras.Sequential([keras.layers.Dense(2)]), X), OptionError, "call model.compile"),
        (lambda X: training.fit(compiled_model(), X, X[:5]), ShapeError, r"the same number of rows, got \[5, 650\]"),
        (lambda X: training.fit(compiled_model(), X[:0]), ShapeError, "x has no rows"),
        (lambda X: training.fit(compiled_model(), X, validation_split=1.0), OptionError, r"in \[0, 1\), got 1.0"),
        (lambda X: training.fit(compiled_model(), X, validation_data=X), OptionError, r"must be \(x, y\)"),
    ],
)
def test_bad_input_is_one_line(scaled, act, error, message):
    with pytest.raises(error, match=message):
        act(scaled)


def test_fit_of_a_keras_model_reads_rows_that_are_no_arrays(scaled, tmp_path):
    np.save(tmp_path / "rows.npy", scaled)
    curves = {}
    for name, source in {
        "file": tmp_path / "rows.npy",
        "mapped": np.load(tmp_path / "rows.npy", mmap_mode="r"),
        "chunks": (scaled[start : start + 100] for start in range(0, len(scaled), 100)),
    }.items():
        model = compiled_model(metrics=["mse"])
        options = {"batch_size": 64, "epochs": 3, "seed": 0, "verbose": 0, "validation_split": 0.1, "memory": "4MB"}
        curves[name] = training.fit(model, source, **options).history
    in_memory = training.fit(compiled_model(), scaled, batch_size=64, epochs=3, seed=0, verbose=0).history
    for curve in curves.values():
        assert set(curve) == {"loss", "mse", "val_loss", "val_mse"}
        assert curve["loss"][-1] == pytest.approx(in_memory["loss"][-1], rel=0.1)
    assert curves["file"] == curves["mapped"] == curves["chunks"]
    with pytest.raises(OptionError, match="are always shuffled, and each row is its own target"):
        training.fit(compiled_model(), tmp_path / "rows.npy", scaled)


def test_validation_data_of_its_own_leaves_all_rows_of_a_file_to_train_on(scaled, tmp_path):
    np.save(tmp_path / "rows.npy", scaled)
    steps = []
    count = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: steps.append(batch))
    options = {"batch_size": 50, "verbose": 0, "validation_split": 0.5, "validation_data": (scaled[:9], scaled[:9])}
    training.fit(compiled_model(), tmp_path / "rows.npy", callbacks=[count], **options)
    assert steps[-1] == 650 // 50 - 1


def test_a_mapped_array_has_targets_like_any_other(scaled, tmp_path):
    np.save(tmp_path / "rows.npy", scaled)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    options = {"batch_size": 64, "epochs": 2, "seed": 0, "verbose": 0}
    from_mapped = training.fit(compiled_model(), mapped, mapped, **options).history
    assert from_mapped == training.fit(compiled_model(), scaled, scaled, **options).history


@pytest.mark.parametrize("dtype", ["<U2", "S3", ">i4", ">f4", bool, np.int8, np.float16, np.complex64])
def test_whatever_tensorflow_takes_is_taken_wherever_it_lies(dtype):
    values = aligned((5, 3), np.dtype(dtype))
    values[:] = 1
    assert backend.tensor(values).shape == (5, 3)
    read_only = aligned((5, 3), np.float32)
    read_only[:] = 2
    read_only.flags.writeable = False
    assert float(backend.tensor(read_only)[0, 0]) == 2
    assert float(backend.tensor(read_only[:, ::2])[0, 1]) == 2


def dense(loss="mse", **settings):
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4), keras.layers.Dense(8)])
    model.compile("adam", loss, **settings)
    return model


def stateful():
    sequences = keras.Input(batch_shape=(8, 5, 8))
    model = keras.Model(sequences, keras.layers.LSTM(8, stateful=True, return_sequences=True, name="rnn")(sequences))
    model.compile("adam", "mse")
    return model


def numbers(*shape):
    return np.random.default_rng(0).normal(size=(64, *(shape or (8,)))).astype(np.float32)


def holed(value=np.nan):
    rows = numbers()
    rows[7, 2] = value
    return rows


@pytest.mark.parametrize(
    ("act", "error", "line"),
    [
        (lambda: training.fit(dense(), np.full((64, 8), "a")), DataError, "expected numbers, got 'a' in row 0"),
        (lambda: training.fit(dense(), holed()), DataError, "x expected finite numbers, .* 1 of 64 rows, .* row 7"),
        (lambda: training.fit(dense(), numbers(), holed(np.inf)), DataError, "y expected finite numbers"),
        (lambda: training.fit(dense(), numbers(), sample_weight=holed()[:, 2]), DataError, "sample_weight expected"),
        (
            lambda: training.fit(dense(), numbers(), validation_data=(holed(), numbers())),
            DataError,
            "validation_data: x expected finite numbers",
        ),
        (lambda: training.fit(dense(), numbers(5)), ShapeError, "expected axis -1 of input shape to have value 8"),
        (lambda: training.fit(dense(), numbers(), numbers(5)), ShapeError, "Dimensions must be equal"),
        (
            lambda: training.fit(dense(), numbers(), validation_data=(numbers(5), numbers())),
            ShapeError,
            "Keras refuses the model with validation_data",
        ),
        (lambda: training.fit(dense("msee"), numbers()), ShapeError, "Could not interpret loss identifier: msee"),
        (lambda: training.fit(dense(None), numbers()), OptionError, "compiled without a loss: model.compile"),
        (lambda: training.fit(stateful(), numbers(5, 8), batch_size=8), OptionError, "layer 'rnn' is stateful"),
        (lambda: training.fit(dense(), None), DataError, "expected arrays, got None"),
        (lambda: training.fit("m.keras", numbers()), OptionError, "expected a compiled keras.Model, got 'm.keras'"),
        (lambda: training.fit(dense(), numbers(), steps_a_call=-1), OptionError, "steps_a_call must be a whole number"),
        (lambda: training.fit(dense(), numbers(), callbacks=["a"]), OptionError, "callbacks must be a list"),
    ],
)
def test_what_cannot_be_trained_is_one_line(act, error, line):
    with pytest.raises(error, match=line) as caught:
        act()
    assert "\n" not in str(caught.value)


def test_rows_with_nan_that_the_loss_leaves_out_are_trained_on():
    def present(target, raw):
        there = tf.math.is_finite(target)
        return tf.reduce_mean(tf.where(there, (tf.where(there, target, 0.0) - raw) ** 2, 0.0))

    model = dense(present)
    before = [variable.numpy() for variable in model.variables]
    losses = training.fit(model, numbers(), holed(), epochs=2, seed=0, verbose=0).history["loss"]
    assert np.isfinite(losses).all()
    assert any((variable.numpy() != old).any() for variable, old in zip(model.variables, before, strict=True))


def test_whole_numbers_of_numpy_are_whole_numbers():
    history = training.fit(dense(), numbers(), batch_size=np.int64(8), epochs=np.int32(2), seed=np.uint8(0), verbose=0)
    assert len(history.history["loss"]) == 2


@pytest.fixture
def policy():
    """Sets the precision of Keras' layers, as a user may have; it is put back."""
    before, floats = keras.config.dtype_policy(), keras.config.floatx()
    yield keras.config.set_dtype_policy
    keras.config.set_floatx(floats)
    keras.config.set_dtype_policy(before)


PARTS = {
    "dense": {"structure": [8], "penalty": "adversarial:1"},
    "variational": {"structure": [8], "bottleneck": "gaussian", "activation": "silu"},
    "quantized": {"structure": [8], "bottleneck": "quantized:codes=8,groups=1"},
}


@pytest.mark.parametrize("name", ["mixed_float16", pytest.param("mixed_bfloat16", marks=pytest.mark.slow), "float64"])
def test_an_autoencoder_trains_the_same_whatever_precision_the_user_has_set_for_keras(policy, name):
    def fit(settings):
        return Autoencoder(4, epochs=2, random_state=0, verbose=False, **settings).fit(numbers())

    expected = {part: fit(settings).history_ for part, settings in PARTS.items()}
    if name == "float64":
        keras.config.set_floatx(name)
    policy(name)
    for part, settings in PARTS.items():
        model = fit(settings)
        assert model.history_ == expected[part]
        assert keras.config.dtype_policy().name == name
    assert {variable.dtype for variable in model.to_keras().weights} <= {"float32", "int64", "uint32"}
    assert keras.layers.Dense(1).dtype_policy.name == name


@pytest.mark.parametrize("name", ["mixed_float16", "mixed_bfloat16"])
def test_a_users_model_of_mixed_precision_learns(policy, name):
    policy(name)
    losses = training.fit(dense(), numbers(), epochs=8, batch_size=8, seed=0, verbose=0).history["loss"]
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]


@pytest.mark.parametrize(("structure", "flat"), [([64], True), pytest.param("conv 8", False, marks=pytest.mark.slow)])
def test_products_in_bfloat16_train_about_as_well_and_leave_a_model_in_float32(digits, structure, flat):
    rows = digits.x_train[:2000].reshape(2000, -1) if flat else digits.x_train[:2000]
    losses = {}
    for precision in ("float32", "bfloat16"):
        settings = {"structure": structure, "epochs": 4, "random_state": 0, "verbose": False}
        model = Autoencoder(8, precision=precision, **settings).fit(rows, engine=Compiled()).model_
        assert {value.dtype for value in model.weights.values()} == {np.dtype(np.float32)}
        losses[precision] = model.record.history["val_loss"]
    assert losses["float32"] != losses["bfloat16"]
    np.testing.assert_allclose(losses["bfloat16"], losses["float32"], rtol=0.02)


def test_layers_compute_in_bfloat16_and_latents_and_losses_in_float32():
    network = structures.build([6], (9,), latent_dim=3)
    models = keras_builder.build(network, precision="bfloat16")
    kinds = {layer.name: layer.compute_dtype for layer in models.raw.layers if layer.weights}
    assert kinds == {"encoder_1": "bfloat16", "bottleneck": "float32", "decoder_1": "bfloat16", "decoder_2": "bfloat16"}
    assert {variable.dtype for variable in models.raw.variables} == {"float32"}
    for model in models[:4]:
        assert model.outputs[0].dtype == "float32"


@pytest.mark.parametrize("settings", [{"structure": "lstm 4", "series": True}, {"structure": []}])
def test_a_network_that_bfloat16_does_not_apply_to_is_refused(rng, settings):
    rows = rng.normal(size=(40, 5, 2) if "series" in settings else (40, 5))
    with pytest.raises(OptionError, match="precision='bfloat16' is for dense and convolutional layers, and structure"):
        Autoencoder(2, precision="bfloat16", epochs=1, verbose=False, **settings).fit(rows)

"""The arguments of Keras' fit in diabolo.training.fit, compared with model.fit itself."""

import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf

from diabolo import training
from diabolo.errors import DataError, OptionError, ShapeError

ROWS, BATCH = 100, 16


@pytest.fixture
def pairs(rng):
    return rng.normal(size=(ROWS, 6)).astype(np.float32), rng.normal(size=(ROWS, 2)).astype(np.float32)


def model(loss="mse", metrics=("mae",)):
    keras.utils.set_random_seed(0)
    made = keras.Sequential([keras.Input((6,)), keras.layers.Dense(4, "tanh"), keras.layers.Dense(2)])
    made.compile(keras.optimizers.SGD(0.1), loss, metrics=list(metrics))
    return made


class Loader:
    """As a DataLoader of torch: an iterable of lists, whose length is the number of batches."""

    def __init__(self, *arrays):
        self.arrays = arrays

    def __len__(self):
        return -(-ROWS // BATCH)

    def __iter__(self):
        for start in range(0, ROWS, BATCH):
            yield [each[start : start + BATCH] for each in self.arrays]


class Sequence(keras.utils.PyDataset):
    def __init__(self, *arrays):
        super().__init__()
        self.arrays, self.epochs = arrays, 0

    def __len__(self):
        return -(-ROWS // BATCH)

    def __getitem__(self, at):
        return tuple(each[at * BATCH : (at + 1) * BATCH] for each in self.arrays)

    def on_epoch_end(self):
        self.epochs += 1


def dataset(*arrays):
    return tf.data.Dataset.from_tensor_slices(arrays).batch(BATCH)


def compare(ours, theirs, make=model):
    """Train two equal models, and compare weights and histories."""
    one, other = make(), make()
    history = training.fit(one, **{"verbose": 0, "seed": 0, **ours}).history
    expected = other.fit(**{"verbose": 0, "shuffle": False, **theirs}).history
    assert set(history) == set(expected)
    for name, curve in expected.items():
        np.testing.assert_allclose(history[name], curve, rtol=1e-4, err_msg=name)
    for mine, same in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(mine, same, rtol=1e-4, atol=1e-5)


def both(*settings, **more):
    """The same arguments for both."""
    given = {**(settings[0] if settings else {}), **more}
    return given, given


def test_every_argument_of_keras_is_taken_in_its_order_and_with_its_default():
    ours = inspect.signature(training.fit).parameters
    theirs = inspect.signature(keras.Model.fit).parameters
    shared = [name for name in theirs if name != "self"]
    assert list(ours)[1 : len(shared) + 1] == shared
    for name in shared[1:]:
        assert ours[name].default == theirs[name].default
        assert ours[name].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD


@pytest.mark.parametrize("source", [dataset, Loader, Sequence])
@pytest.mark.parametrize("weighted", [False, True])
def test_batches_train_as_in_keras(source, weighted, pairs, rng):
    arrays = (*pairs, rng.random(ROWS).astype(np.float32)) if weighted else pairs
    theirs = dataset(*arrays)  # Keras takes a DataLoader only if torch is there
    compare({"x": source(*arrays), "epochs": 3}, {"x": theirs, "epochs": 3})


def test_a_generator_gives_an_epoch_of_so_many_batches(pairs):
    def endless():
        while True:
            yield from map(tuple, Loader(*pairs))

    compare({"x": endless(), "epochs": 3, "steps_per_epoch": 5}, {"x": endless(), "epochs": 3, "steps_per_epoch": 5})
    # One that ends is kept for all epochs; Keras would stop after the first.
    compare({"x": iter(list(Loader(*pairs))), "epochs": 3}, {"x": dataset(*pairs), "epochs": 3})


def test_an_epoch_of_a_data_set_goes_on_where_the_one_before_ended(pairs):
    endless = dataset(*pairs).repeat()
    compare(*both(x=endless, epochs=4, steps_per_epoch=3))


def test_a_data_set_that_is_drawn_anew_is_read_again_in_each_epoch(pairs):
    seen = []

    def noted(x, y):
        tf.py_function(lambda: seen.append(1), [], [])
        return x, y

    training.fit(model(), dataset(*pairs).map(noted), epochs=3, verbose=0)
    assert len(seen) >= 3 * 7
    sequence = Sequence(*pairs)
    training.fit(model(), sequence, epochs=3, verbose=0)
    assert sequence.epochs == 3


def test_steps_per_epoch_of_arrays_go_on_in_the_next_epoch(pairs):
    x, y = pairs[0][:96], pairs[1][:96]
    compare(*both(x=x, y=y, batch_size=16, steps_per_epoch=2, epochs=6, shuffle=False))  # two passes of six batches
    compare(*both(x=x, y=y, steps_per_epoch=4, epochs=2, shuffle=False))  # batches of a quarter
    # A pass that ends within an epoch is followed by the next, of which Keras would warn; 7 batches, the last of 4.
    steps = []
    count = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: steps.append(batch))
    settings = {"batch_size": 16, "steps_per_epoch": 5, "epochs": 3, "verbose": 0, "steps_a_call": 1, "shuffle": False}
    one = model()
    training.fit(one, *pairs, callbacks=count, **settings)
    assert steps == [0, 1, 2, 3, 4] * 3
    compare_to = model()
    compare_to.fit(dataset(*pairs).repeat().take(15), epochs=1, verbose=0, shuffle=False)
    for mine, same in zip(one.get_weights(), compare_to.get_weights(), strict=True):
        np.testing.assert_allclose(mine, same, rtol=1e-4, atol=1e-5)


def test_steps_per_epoch_of_a_file_are_as_many(pairs, tmp_path):
    x = pairs[0]
    np.save(tmp_path / "rows.npy", x)
    steps = []
    count = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: steps.append(batch))
    keras.utils.set_random_seed(0)
    made = keras.Sequential([keras.Input((6,)), keras.layers.Dense(6)])
    made.compile("sgd", "mse")
    training.fit(
        made, tmp_path / "rows.npy", None, 16, 4, 0, [count], steps_per_epoch=3, steps_a_call=1, memory="4MB", seed=0
    )
    assert steps == [0, 1, 2] * 4


@pytest.mark.parametrize("one_hot", [False, True])
def test_weights_of_classes_are_those_of_keras(one_hot, pairs, rng):
    classes = rng.integers(0, 2, ROWS)
    y = np.eye(2)[classes] if one_hot else classes
    loss = keras.losses.CategoricalCrossentropy(True) if one_hot else keras.losses.SparseCategoricalCrossentropy(True)

    def make():
        return model(loss, metrics=())

    weights = {0: 1.0, 1: 7.0}
    compare(*both(x=pairs[0], y=y, class_weight=weights, epochs=2, shuffle=False), make=make)
    compare(*both(x=dataset(pairs[0], y), class_weight=weights, epochs=2), make=make)


@pytest.mark.parametrize("freq", [2, [1, 4]])
def test_validation_in_some_epochs_only(freq, pairs):
    held = (pairs[0][:30], pairs[1][:30])
    compare(*both(x=pairs[0], y=pairs[1], validation_data=held, validation_freq=freq, epochs=4, shuffle=False))


@pytest.mark.slow
def test_validation_on_some_batches_or_of_a_data_set(pairs):
    x, y = pairs
    fixed = {"x": x, "y": y, "epochs": 2, "shuffle": False}
    compare(*both(fixed, validation_data=(x, y), validation_steps=3, validation_batch_size=8))
    compare(*both(fixed, validation_data=(x, y), validation_steps=2, batch_size=20))
    compare(*both(fixed, validation_split=0.3, validation_batch_size=7))
    compare(*both(fixed, validation_data=dataset(x, y)))
    compare(*both(fixed, validation_data=dataset(x, y).repeat(), validation_steps=4))
    compare({**fixed, "validation_data": Loader(x, y)}, {**fixed, "validation_data": (x, y)})
    compare(*both(x=dataset(x, y), epochs=2, validation_data=(x, y)))


def test_one_weight_a_row_counts_for_all_outputs(pairs, rng):
    def make():
        keras.utils.set_random_seed(0)
        rows = keras.Input((6,))
        made = keras.Model(rows, [keras.layers.Dense(2, name=name)(rows) for name in "ab"])
        made.compile(keras.optimizers.SGD(0.1), ["mse", "mse"])
        return made

    y = [pairs[1], 2 * pairs[1]]
    compare(*both(x=pairs[0], y=y, sample_weight=rng.random(ROWS), epochs=2, shuffle=False), make=make)


def test_a_batch_of_dicts_goes_through(pairs):
    def make():
        keras.utils.set_random_seed(0)
        a, b = keras.Input((6,), name="a"), keras.Input((2,), name="b")
        made = keras.Model({"a": a, "b": b}, keras.layers.Dense(2)(keras.layers.Concatenate()([a, b])))
        made.compile("sgd", "mse")
        return made

    x = {"a": pairs[0], "b": pairs[1]}
    compare(*both(x=tf.data.Dataset.from_tensor_slices((x, pairs[1])).batch(BATCH), epochs=2), make=make)


def growing(*pairs):
    for size in (4, 8):
        yield tuple(each[:size] for each in pairs)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        (lambda x, y: {"x": dataset(x, y), "y": y}, OptionError, "leave out y"),
        (lambda x, y: {"x": dataset(x, y), "batch_size": 8}, OptionError, "leave out batch_size"),
        (lambda x, y: {"x": dataset(x, y), "validation_split": 0.2}, OptionError, "pass validation_data"),
        (lambda x, y: {"x": dataset(x, y).repeat()}, OptionError, "has no end: give steps_per_epoch"),
        (lambda x, y: {"x": dataset(x, y).take(0)}, DataError, "has no batches"),
        (lambda x, y: {"x": growing(x, y)}, ShapeError, "a batch has 8 rows, and the first has 4"),
        (
            lambda x, y: {"x": iter(list(Loader(x, y))), "steps_per_epoch": 4, "epochs": 2},
            DataError,
            "the generator ended after 7 batches, in epoch 2: expected 4",
        ),
        (
            lambda x, y: {"x": iter(list(Loader(x, y))), "memory": "1kB"},
            OptionError,
            "give steps_per_epoch, or a larger",
        ),
        (lambda x, y: {"x": iter([(x, y, y[:, 0], y)])}, DataError, r"must be \(x, y\) .* got 4 parts"),
        (
            lambda x, y: {"x": x, "y": y, "class_weight": {0: 1.0}, "sample_weight": y[:, 0]},
            OptionError,
            "class_weight",
        ),
        (lambda x, y: {"x": x, "class_weight": {0: 1.0}}, OptionError, "class_weight needs targets y"),
        (lambda x, y: {"x": x, "y": y, "class_weight": 3}, OptionError, "class_weight must be weights by class"),
        (lambda x, y: {"x": x, "y": y, "shuffle": "batch"}, OptionError, "shuffle must be True or False"),
        (lambda x, y: {"x": x, "y": y, "steps_per_epoch": 0}, OptionError, "steps_per_epoch must be a whole number"),
        (lambda x, y: {"x": x, "y": y, "validation_freq": "a"}, OptionError, "validation_freq must be a whole number"),
        (lambda x, y: {"x": x, "y": y, "validation_batch_size": -1}, OptionError, "validation_batch_size must be"),
        (lambda x, y: {"x": x, "y": y, "callbacks": 3}, OptionError, "callbacks must be a list"),
    ],
)
def test_what_cannot_be_is_one_line(settings, error, message, pairs):
    with pytest.raises(error, match=message) as caught:
        training.fit(model(), verbose=0, **settings(*pairs))
    assert "\n" not in str(caught.value)

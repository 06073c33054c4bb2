"""An engine runs the training steps: whichever it is, fit() gives it the same job and keeps what it returns."""

import dataclasses
import sys

import numpy as np
import pytest

from diabolo import Autoencoder
from diabolo.autoencoder import settings_of
from diabolo.errors import DivergedError, OptionError
from diabolo.training.engines import Compiled, Numpy, Quickest, Trained

SETTINGS = {"structure": [12], "epochs": 4, "random_state": 0, "verbose": False}


class Untrained:
    """An engine that returns weights of zeros, and keeps the job."""

    def train(self, job, report):
        self.job = job
        weights = {name: np.zeros(shape, np.float32) for name, shape in job.network.weights().items()}
        return Trained(weights, {"loss": [1.0]}, 1, False, {"diabolo": "0"})

    def versions(self, job):
        return {"diabolo": "0"}


def test_an_engine_of_ones_own_gets_the_job_and_its_weights_are_the_models(table):
    engine = Untrained()
    model = Autoencoder(3, optimizer="sgd", batch_size=32, **SETTINGS).fit(table, engine=engine)
    job = engine.job
    assert (job.optimizer, job.learning_rate, job.batch_size, job.epochs, job.seed) == ("sgd", 3e-3, 32, 4, 0)
    assert job.shard.row_count + len(job.shard.validation) == len(table)
    assert not model.encode(table).any()
    # Weights of zeros decode every row to the mean of the training rows.
    away = (model.reconstruct(table) - table.mean(axis=0)) / table.std(axis=0)
    assert np.abs(away).max() < 0.1
    assert model.model_.record.versions == {"diabolo": "0"}


def test_numpy_and_tensorflow_reach_about_the_same_error_on_the_same_rows(table):
    least = []
    for engine in (Numpy(), Compiled()):
        settings = [SETTINGS | {"epochs": 300, "patience": 0, "random_state": seed} for seed in range(4)]
        models = [Autoencoder(3, **each).fit(table, engine=engine) for each in settings]
        assert ("numpy" in models[0].model_.record.versions) == isinstance(engine, Numpy)
        least.append(np.mean([min(model.history_["val_loss"]) for model in models]))
    assert least[0] == pytest.approx(least[1], rel=0.1)


def test_numpy_refuses_a_network_that_it_cannot_train(digits):
    with pytest.raises(OptionError, match="the engine Numpy cannot train this network: leave `engine` out"):
        Autoencoder(3, structure="conv 4", epochs=1, verbose=False).fit(digits.x_train[:50], engine=Numpy())


@pytest.mark.parametrize(
    ("settings", "by"),
    [
        ({}, "numpy"),
        ({"activation": "tanh"}, "numpy"),
        ({"optimizer": "sgd"}, "tensorflow"),
        ({"activation": "selu"}, "tensorflow"),
        ({"penalty": "contractive:0.1"}, "tensorflow"),
    ],
)
def test_the_quickest_engine_needs_tensorflow_only_where_numpy_cannot(table, settings, by):
    model = Autoencoder(3, **SETTINGS | settings).fit(table)
    assert by in model.model_.record.versions


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"structure": "8-12-3"},
        {"structure": "dense 16-8", "activation": "relu"},
        {"structure": [12], "bottleneck": "refined", "corruption": "masking:0.2"},
        {"structure": "residual 16"},
        {"tied": True},
        {"activation": "selu"},
        {"bottleneck": "gaussian"},
        {"corruption": "gaussian:0.1"},
        {"optimizer": "adam:beta_1=0.8"},
        {"optimizer": "sgd"},
        {"penalty": "l2:0.001"},
    ],
)
def test_settings_say_before_any_rows_are_read_what_needs_tensorflow(table, settings):
    checked = settings_of(Autoencoder(3, epochs=2, random_state=0, **settings)).seeded()
    suits = []

    class Asks(Untrained):
        def train(self, job, report):
            suits.append(Numpy.suits(job))
            return super().train(job, report)

    Autoencoder(3, epochs=2, random_state=0, verbose=False, **settings).fit(table, engine=Asks())
    assert suits == [Numpy.may_suit(checked)]


def test_long_trainings_are_compiled_and_short_ones_are_not_whatever_the_process_has_loaded(table):
    kept = []

    class Keeps(Quickest):
        def train(self, job, report):
            kept.append(job)
            return super().train(job, report)

    Autoencoder(3, **SETTINGS).fit(table, engine=Keeps())
    (job,) = kept
    assert isinstance(Quickest().of(job), Numpy)
    assert isinstance(Quickest().of(dataclasses.replace(job, epochs=10**7, batch_size=1000)), Compiled)


def test_a_run_goes_on_by_the_engine_that_it_was_begun_with(table, tmp_path):
    settings = SETTINGS | {"patience": 0}
    for name, engine in (("numpy", Numpy()), ("tensorflow", Compiled(compile=False))):
        Autoencoder(3, **settings).fit(table, run=tmp_path / name, engine=engine)
        more = Autoencoder(3, **settings | {"epochs": 6}).fit(table, run=tmp_path / name, resume=True)
        assert name in more.model_.record.versions
        assert len(more.history_["loss"]) == 6


def test_what_diverges_under_an_engine_leaves_the_model_of_the_epochs_before(table):
    def rising(job):
        import keras

        steps = -(-job.shard.row_count // job.batch_size)
        return keras.optimizers.SGD(keras.optimizers.schedules.PiecewiseConstantDecay([2 * steps], [1e-3, 1e30]))

    model = Autoencoder(3, **SETTINGS)
    with pytest.raises(DivergedError) as error:
        model.fit(table, engine=Compiled(optimizer=rising, compile=False))
    assert len(error.value.trained.history["loss"]) == len(model.history_["loss"]) == 2
    assert np.isfinite(model.encode(table)).all()


def test_a_part_of_a_training_ends_where_it_is_told_and_has_the_rate_of_the_whole(table):
    whole = Autoencoder(3, **SETTINGS).fit(table, engine=Compiled())
    part = Autoencoder(3, **SETTINGS).fit(table, engine=Compiled(epochs=2))
    assert part.history_["loss"] == pytest.approx(whole.history_["loss"][:2], rel=1e-5)


def test_importing_the_engines_loads_no_tensorflow(run):
    done = run("-c", "import sys, diabolo.training.engines; print('tensorflow' in sys.modules)")
    assert done.out.strip() == "False", (done.err, sys.version)

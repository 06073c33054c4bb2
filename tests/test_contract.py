"""What a part must give, held by parts of the library and by parts that are defined in this file alone."""

from dataclasses import dataclass
from typing import ClassVar

import keras
import numpy as np
import onnx
import onnxruntime
import pytest

from diabolo import Autoencoder, load
from diabolo.data.adapters import TableAdapter
from diabolo.data.adapters.features import FEATURES, Feature
from diabolo.errors import DataError, OptionError
from diabolo.network import losses
from diabolo.network.backends.onnx.builder import OPSET
from diabolo.network.backends.onnx.graph import Graph
from diabolo.network.backends.onnx.values import Values
from diabolo.network.bottlenecks import BOTTLENECKS, Bottleneck, Objective
from diabolo.network.layers import Dense
from diabolo.network.losses import LOSSES, Local, Loss
from diabolo.network.random_numbers import normal
from diabolo.parts import from_text

FAST = {"structure": [16], "epochs": 3, "random_state": 0, "verbose": False}


@dataclass(frozen=True, kw_only=True)
class Laplace(Loss):
    """The absolute difference: minus the log-likelihood of a Laplace distribution of scale 1, less log(2)."""

    kind: ClassVar[str] = "laplace"
    link: ClassVar[str] = "linear"

    def each(self, target, raw, xp, learnt=None):
        """|t - raw|."""
        return xp.abs(target - raw)

    def local(self, target, raw, input_shape, learnt=None):
        """The curvature of a parabola that touches |t - raw| from above."""
        away = raw - target
        size = away.abs()
        return Local(size, away.sign(), (size * 0.0 + 1.0) / (size + 1e-3))

    def left_out(self, target):
        """log(2) for each number."""
        return target[0].size * np.log(2)


@dataclass(frozen=True, kw_only=True)
class LogCosh(Loss):
    """log(cosh(t - raw)), which says nothing of its curvature."""

    kind: ClassVar[str] = "log_cosh"
    link: ClassVar[str] = "linear"
    likelihood: ClassVar[bool] = False

    def each(self, target, raw, xp, learnt=None):
        """Without overflow."""
        size = xp.abs(target - raw)
        return size + xp.log1p(xp.exp(-2 * size)) - np.float32(np.log(2))


@dataclass(frozen=True, kw_only=True)
class Noisy(Bottleneck):
    """Latents in (-1, 1), with noise of standard deviation `sigma` in training."""

    sigma: float = 0.1

    kind: ClassVar[str] = "noisy"
    may_be_overcomplete: ClassVar[bool] = True
    default_optimizer: ClassVar[str] = "nadam"

    def layers(self):
        """One dense layer."""
        return (Dense(units=self.latent_dim, activation="tanh", name="bottleneck"),)

    def train(self, tensors, loss, generator, warm):
        """The reconstruction from the noisy latent."""
        latent = tensors["latent"]
        return Objective(loss(latent + self.sigma * normal(keras.ops.shape(latent), generator)))


@dataclass(frozen=True, kw_only=True)
class Share(Feature):
    """A number in [0, 1]."""

    kind: ClassVar[str] = "share"
    loss: ClassVar[str] = "bernoulli"
    words: ClassVar[str] = "a share from 0 to 1"

    @classmethod
    def learn(cls, values):
        """The entropy of the mean."""
        mean = float(np.clip(np.nanmean(values), 1e-6, 1 - 1e-6))
        return cls(cost=float(-mean * np.log(mean) - (1 - mean) * np.log(1 - mean)))

    @classmethod
    def refused(cls, values):
        """Values outside [0, 1]."""
        return (values < 0) | (values > 1)

    def to_tensor(self, values):
        """As it is."""
        return np.nan_to_num(values).astype(np.float32)[:, None]

    def from_tensor(self, numbers):
        """As it is."""
        return numbers[:, 0].astype(np.float64)


@pytest.fixture(autouse=True)
def tables(monkeypatch):
    """Enter the parts of this file in the tables: one line each."""
    monkeypatch.setitem(LOSSES, "laplace", Laplace)
    monkeypatch.setitem(LOSSES, "log_cosh", LogCosh)
    monkeypatch.setitem(BOTTLENECKS, "noisy", Noisy)
    monkeypatch.setitem(FEATURES, "share", Share)


ALL_LOSSES = [*LOSSES, "gaussian:variance=learnt", "laplace", "log_cosh"]
SHAPE = (4, 3, 2)


def made(words):
    """Return a loss by its words, and weights for it."""
    loss = from_text("loss", LOSSES, words)
    rng = np.random.default_rng(1)
    return loss, {name: rng.normal(size=shape).astype("f") for name, shape in loss.weights(SHAPE).items()}


@pytest.mark.parametrize("words", ALL_LOSSES)
def test_a_loss_gives_one_number_a_row_and_a_reconstruction_of_the_shape_of_the_row(words, rng):
    loss, learnt = made(words)
    target, raw = rng.random((5, *SHAPE)).astype("f"), rng.normal(size=(5, *SHAPE)).astype("f")
    assert loss.per_row(target, raw, np, learnt).shape == (5,)
    assert loss.per_row(*map(keras.ops.convert_to_tensor, (target, raw)), keras.ops, learnt).shape == (5,)
    assert loss.reconstruction(raw).shape == target.shape
    assert loss.residuals(target, raw).shape == (5, loss.values(SHAPE))
    assert loss.error(target, raw).shape == (5,)
    assert np.shape(loss.left_out(target)) in ((), (5,))
    if loss.masks:
        assert loss.each(target, raw, np, learnt).shape == target.shape


def computed(loss, learnt, target, raw):
    """Return cost, gradient and curvature, (n, numbers) each, as the graph of an encoder computes them."""
    graph = Graph("raw")
    local = loss.local(Values(graph, "target"), Values(graph, "raw"), SHAPE, learnt)
    tensors = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", "m"])
        for name in ("raw", "target", *(each.name for each in local))
    ]
    body = onnx.helper.make_graph(graph.nodes, "local", tensors[:2], tensors[2:], graph.constants)
    model = onnx.helper.make_model(body, opset_imports=[onnx.helper.make_opsetid("", OPSET)], ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(None, {"raw": raw, "target": target})


@pytest.mark.parametrize("words", [each for each in ALL_LOSSES if each not in ("ssim", "log_cosh")])
def test_the_gradient_of_a_loss_is_its_derivative_and_the_curvature_no_less_than_0(words, rng):
    loss, learnt = made(words)
    raw = rng.normal(size=(5, *SHAPE))
    target = np.eye(2)[rng.integers(0, 2, (5, *SHAPE[:-1]))]
    flat = [each.reshape(5, -1).astype("f") for each in (target, raw)]
    cost, gradient, curvature = computed(loss, learnt, *flat)
    assert cost.shape == gradient.shape == curvature.shape == flat[0].shape
    assert (curvature >= 0).all()
    step, expected = 1e-6, np.empty((5, flat[0].shape[1]))
    for at in range(expected.shape[1]):
        moved = np.zeros(expected.shape[1])
        moved[at] = step
        ends = [loss.per_row(target, raw + sign * moved.reshape(SHAPE), np, learnt) for sign in (1, -1)]
        expected[:, at] = (ends[0] - ends[1]) / (2 * step)
    np.testing.assert_allclose(gradient, expected, rtol=1e-3, atol=1e-4)
    # The costs differ from the loss by no more than what is the same for every reconstruction.
    again = computed(loss, learnt, flat[0], 1.1 * flat[1])[0].sum(axis=1) - cost.sum(axis=1)
    whole = loss.per_row(target, 1.1 * raw, np, learnt) - loss.per_row(target, raw, np, learnt)
    np.testing.assert_allclose(again, whole, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("bottleneck", ["plain", "refined", "gaussian"])
@pytest.mark.parametrize("loss", ["laplace", "log_cosh"])
def test_a_loss_of_ones_own_trains_scores_and_is_saved(loss, bottleneck, table, tmp_path):
    net = Autoencoder(3, reconstruction_loss=loss, bottleneck=bottleneck, **FAST).fit(table)
    again = load(net.save(tmp_path / "m"))
    np.testing.assert_array_equal(again.encode(table), net.encode(table))
    np.testing.assert_array_equal(again.score_samples(table), net.score_samples(table))
    target = net.model_.adapter.adapt(table).astype(float)
    size = np.abs(target - net.model_.adapter.adapt(net.reconstruct(table)))
    expected = size if loss == "laplace" else np.log(np.cosh(size))
    np.testing.assert_allclose(net.model_.loss_per_row(table), expected.sum(axis=1), rtol=1e-3)


@pytest.mark.parametrize("loss", ["laplace", "log_cosh"])
def test_steps_by_the_curvature_of_ones_own_loss_lower_it(loss, table):
    few = {**FAST, "epochs": 1}
    plain = Autoencoder(3, reconstruction_loss=loss, optimizer="adam", **few).fit(table)
    refined = Autoencoder(3, reconstruction_loss=loss, optimizer="adam", bottleneck="refined:3", **few).fit(table)
    before, after = plain.model_.loss_per_row(table), refined.model_.loss_per_row(table)
    assert (after <= before + 1e-4 * np.abs(before)).mean() > (0.999 if loss == "laplace" else 0.9)
    assert after.mean() < 0.95 * before.mean()


def test_a_bottleneck_of_ones_own_trains_is_saved_and_answers_for_itself(table, tmp_path):
    wide = table.shape[1] + 2
    net = Autoencoder(wide, bottleneck="noisy:0.2", **FAST).fit(table)  # over-complete, as it says it may be
    assert net.model_.network.bottleneck == Noisy(latent_dim=wide, sigma=0.2)
    again = load(net.save(tmp_path / "m"))
    np.testing.assert_array_equal(again.encode(table), net.encode(table))
    assert np.abs(net.encode(table)).max() <= 1
    trained = again.to_keras()
    latents = keras.Model(trained.input, trained.get_layer("bottleneck").output)(net.model_.adapter.adapt(table))
    np.testing.assert_allclose(latents, net.encode(table), atol=1e-5)
    other = Autoencoder(wide, bottleneck="noisy:0.2", optimizer="nadam", **FAST).fit(table)
    np.testing.assert_array_equal(other.encode(table), net.encode(table))
    with pytest.raises(OptionError, match="a noisy bottleneck has none"):
        Autoencoder(2, bottleneck="noisy", bottleneck_activation="relu", **FAST).fit(table)
    with pytest.raises(OptionError, match="needs a gaussian bottleneck, got a noisy one"):
        Autoencoder(2, bottleneck="noisy", penalty="total_correlation", **FAST).fit(table)


def test_a_kind_of_column_of_ones_own_has_its_numbers_loss_and_file(rng):
    rows = np.stack([rng.random(40), rng.normal(size=40), rng.integers(0, 3, 40), rng.random(40)], axis=1)
    rows[rng.random(rows.shape) < 0.1] = np.nan
    columns = [("a", "share", 0), ("b", "number", 0), ("c", "category", 3), ("d", "share", 0)]
    adapter = TableAdapter.learn(rows, columns, gaps=True)
    again = TableAdapter.from_config(adapter.to_config())
    assert again == adapter
    tensors = again.adapt(rows)
    assert tensors.shape == (40, 1 + 1 + 1 + 3 + 4)
    np.testing.assert_array_equal(adapter.missing(tensors), np.isnan(rows))
    np.testing.assert_allclose(adapter.restore(tensors)[~np.isnan(rows)], rows[~np.isnan(rows)], rtol=1e-5)
    loss = losses.for_table(adapter.blocks, gaps=adapter.gaps)
    assert (loss.gaussian, loss.bernoulli, loss.levels, loss.flags) == (1, 2, (3,), 4)
    rows[3, 3] = 1.5
    with pytest.raises(DataError, match=r"1\.5 in row 3, column 'd', is not a share from 0 to 1"):
        adapter.adapt(rows)


@pytest.mark.parametrize(("alias", "name"), [("mse", "gaussian"), ("bce", "bernoulli")])
def test_the_usual_names_of_losses_are_aliases_and_the_record_has_the_real_one(alias, name, rng, tmp_path):
    rows = rng.random((60, 6))
    net = Autoencoder(2, reconstruction_loss=alias, **FAST).fit(rows)
    real = Autoencoder(2, reconstruction_loss=name, **FAST).fit(rows)
    assert net.model_.loss.kind == name
    assert net.model_.record == real.model_.record
    assert net.save(tmp_path / "alias").read_bytes() == real.save(tmp_path / "real").read_bytes()
    assert losses.full_name("mse:variance=learnt") == "gaussian:variance=learnt"
    assert losses.full_name("mean") == "mean"


@pytest.mark.parametrize("written", ["adam:lr=0.01", "sgd:learning_rate=0.01"])
def test_a_learning_rate_among_the_settings_of_an_optimizer_is_answered_with_its_option(written, rng):
    with pytest.raises(OptionError, match=r"pass learning_rate=0.01 \(--learning-rate 0.01\)"):
        Autoencoder(2, optimizer=written, **FAST).fit(rng.normal(size=(20, 4)))

"""Latents that are refined when rows are encoded."""

import dataclasses

import numpy as np
import pytest
from scipy import optimize

from diabolo import Autoencoder, load
from diabolo.errors import OptionError, ShapeError
from diabolo.model.file import check_size
from diabolo.model.model import Model
from diabolo.network.bottlenecks import Refined
from diabolo.network.network import Network


def refined(model: Model, steps: int = 1) -> Model:
    """Return a model of the same weights that refines."""
    network = dataclasses.replace(model.network, bottleneck=Refined(latent_dim=model.network.latent_dim, steps=steps))
    return dataclasses.replace(model, network=network)


def test_a_linear_decoder_is_solved_as_least_squares_are(table, rng):
    plain = Autoencoder(3, structure=[], epochs=9, reconstruction_loss="gaussian", random_state=3).fit(table).model_
    kernel, bias = plain.weights["decoder_1/kernel"], plain.weights["decoder_1/bias"]
    target = plain.adapter.adapt(table[:50])
    exact = np.linalg.lstsq(kernel.T, (target - bias).T, rcond=None)[0].T
    np.testing.assert_allclose(refined(plain, steps=8).encode(table[:50]), exact, rtol=1e-3, atol=1e-3)
    assert np.abs(plain.encode(table[:50]) - exact).max() > 0.1


def test_many_steps_end_where_a_minimiser_ends(fitted, digits):
    rows, plain = digits.x_test[:8], fitted.model_
    ended = refined(plain, steps=8).loss_per_row(rows)
    targets = plain.adapter.adapt(rows).reshape(len(rows), -1).astype(float)
    weights = {name: value.astype(float) for name, value in plain.weights.items()}

    def cost(latent, target):
        hidden = latent @ weights["decoder_1/kernel"] + weights["decoder_1/bias"]
        raw = np.where(hidden > 0, hidden, np.expm1(np.minimum(hidden, 0))) @ weights["decoder_2/kernel"]
        raw += weights["decoder_2/bias"]
        return (np.logaddexp(0, raw) - target * raw).sum()

    begun = plain.encode(rows).astype(float)
    best = [optimize.minimize(cost, start, args=(target,)).fun for start, target in zip(begun, targets, strict=True)]
    np.testing.assert_allclose(ended, best, rtol=0.01)
    assert (plain.loss_per_row(rows) > 1.01 * np.array(best)).all()


KINDS = ["bernoulli", "gaussian", "gaussian:variance=learnt", "huber:0.3", "poisson"]


@pytest.mark.parametrize("loss", KINDS)
@pytest.mark.parametrize("structure", ["dense 32", "conv 4, dense 16"])
def test_no_row_is_given_back_worse_and_most_are_better(loss, structure, digits):
    rows = digits.x_train[:600]
    plain = Autoencoder(6, structure=structure, epochs=2, reconstruction_loss=loss, random_state=0).fit(rows).model_
    before, after = plain.loss_per_row(rows), refined(plain).loss_per_row(rows)
    assert (after <= before + 1e-4 * np.abs(before)).all()
    assert (after < before).mean() > 0.9
    again = refined(plain, steps=3).loss_per_row(rows)
    assert (again <= after + 1e-4 * np.abs(after)).all()


def test_shares_series_with_gaps_and_tables_are_given_back_better_too(rng, tmp_path):
    settings = {"structure": "dense", "bottleneck": "refined", "epochs": 2, "random_state": 0}
    shares = np.eye(4, dtype=np.float32)[rng.integers(0, 4, (300, 5))][:, :, None, :]
    series = np.cumsum(rng.normal(size=(200, 12, 2)), axis=1)
    series[rng.random(series.shape) < 0.2] = np.nan
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(
        {
            "size": rng.normal(size=300),
            "count": rng.poisson(3, 300),
            "kind": rng.choice(["a", "b", "c"], 300),
            "on": rng.random(300) < 0.5,
        }
    )
    frame.loc[rng.random(300) < 0.2, ["size", "kind"]] = None
    for rows, more in (
        (shares, {"latent_dim": 3, "reconstruction_loss": "categorical"}),
        (series, {"latent_dim": 3, "series": True}),
        (frame, {"latent_dim": 2}),
    ):
        better = Autoencoder(**settings, **more).fit(rows)
        plain = Autoencoder(**settings | {"bottleneck": "plain"}, **more).fit(rows)
        for name, weight in plain.model_.weights.items():
            np.testing.assert_array_equal(better.model_.weights[name], weight)
        ours, theirs = better.score_samples(rows), plain.score_samples(rows)
        assert (ours >= theirs - 1e-4 * np.abs(theirs)).all()
        assert (ours > theirs).mean() > 0.8
        again = load(better.save(tmp_path / "model", force=True))
        np.testing.assert_array_equal(again.score_samples(rows), ours)


def test_a_row_alone_is_refined_as_among_others(digits):
    model = refined(Autoencoder(6, epochs=2, random_state=0).fit(digits.x_train[:600]).model_, steps=2)
    every = model.encode(digits.x_test[:200])
    alone = np.concatenate([model.encode(digits.x_test[at : at + 1]) for at in range(20)])
    np.testing.assert_allclose(alone, every[:20], rtol=1e-3, atol=1e-3 * np.abs(every).max())


def test_steps_that_are_no_use_and_neighbours_that_take_too_much_room_are_one_line(table):
    with pytest.raises(OptionError, match="1 to 8 steps"):
        Autoencoder(3, bottleneck="refined:steps=9").fit(table)
    with pytest.raises(OptionError, match="bottleneck_activation 'tanh': a refined bottleneck has none"):
        Autoencoder(3, bottleneck="refined", bottleneck_activation="tanh").fit(table)
    wide = np.zeros((2, 1 << 15), np.float32)
    with pytest.raises((OptionError, ShapeError), match=r"numbers a row, more than 16,777,216"):
        Autoencoder(1 << 10, bottleneck="refined", structure=[]).fit(wide)


def test_neighbours_are_counted_where_there_is_no_decoder_too():
    network = Network(input_shape=(1 << 13,), encoder=(), bottleneck=Refined(latent_dim=1 << 13), decoder=())
    with pytest.raises(OptionError, match=r"layer 'bottleneck' has 67,108,864 numbers a row, more than 16,777,216"):
        check_size(network)

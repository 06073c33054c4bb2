"""How many latents rows need."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.datasets import make_swiss_roll

from diabolo import Autoencoder
from diabolo.errors import DataError, OptionError
from diabolo.fitting.automatic.latents import directions

QUICK = {"epochs": 1, "random_state": 0, "verbose": False}


def made(factors, *, curved, rows=2000, features=20, noise=0.1):
    rng = np.random.default_rng(factors)
    hidden = rng.normal(size=(rows, factors))
    clean = hidden @ rng.normal(size=(factors, features)) / np.sqrt(factors)
    if curved:
        clean += 0.5 * ((hidden @ rng.normal(size=(factors, features)) / np.sqrt(factors)) ** 2 - 1)
    return clean + noise * rng.normal(size=clean.shape)


@pytest.mark.slow
@pytest.mark.parametrize("curved", [False, True])
def test_as_many_latents_are_taken_as_rows_have_factors(curved):
    # PCA, which sees only what is straight, needs all 20 components for the curved rows.
    assert Autoencoder("auto", **QUICK).fit(made(5, curved=curved)).latent_dim_ == 5


@pytest.mark.parametrize("factors", [2, 3, 7, 12, 20])
def test_latents_that_are_normal_spread_in_all_their_directions(factors, rng):
    assert directions(rng.normal(size=(3000, factors)) * rng.uniform(0.5, 2, factors)) == factors


def test_an_angle_is_one_direction_and_a_rolled_sheet_two(rng):
    angles = rng.uniform(0, 2 * np.pi, (2000, 2))
    circles = np.concatenate([np.cos(angles), np.sin(angles)], axis=1)
    assert directions(circles + 0.05 * rng.normal(size=circles.shape)) == 2
    assert directions(make_swiss_roll(2000, noise=0.05, random_state=0)[0]) == 2


def test_few_rows_have_no_near_neighbours_and_all_latents_stay(rng):
    assert directions(rng.normal(size=(90, 4)) * [1, 1, 1, 1e-3]) == 4


@pytest.mark.slow
def test_two_circles_in_twenty_columns_need_two_latents(rng):
    angles = rng.uniform(0, 2 * np.pi, (2000, 2))
    rows = np.concatenate([np.cos(angles), np.sin(angles)], axis=1) @ rng.normal(size=(4, 20))
    assert Autoencoder("auto", **QUICK).fit(rows + 0.05 * rng.normal(size=rows.shape)).latent_dim_ == 2


def test_a_saved_model_says_how_many_were_found_and_that_it_was_asked_to_count(tmp_path):
    model = Autoencoder("auto", structure="dense 32", **QUICK).fit(made(3, curved=False, rows=1000))
    again = Autoencoder.load(model.save(tmp_path / "m"))
    assert again.latent_dim == "auto"
    assert again.latent_dim_ == model.latent_dim_ == 3


def test_counting_takes_rows_that_are_dense_and_in_memory():
    with pytest.raises(DataError, match="latent_dim='auto' needs dense rows"):
        Autoencoder("auto", **QUICK).fit(csr_array(np.eye(30)))
    with pytest.raises(OptionError, match="latent_dim must be a whole number or 'auto', got 'many'"):
        Autoencoder("many", **QUICK).fit(made(3, curved=False))


def test_the_command_line_counts_too(cli, tmp_path):
    np.save(tmp_path / "rows.npy", made(2, curved=False, rows=800, features=8))
    out = cli("fit", "rows.npy", "--latent", "auto", "--structure", "dense 64", "--epochs", "2", cwd=tmp_path).out
    assert "2 numbers for 8" in out
    refused = cli("fit", "rows.npy", "--latent", "few", "-o", "other", cwd=tmp_path)
    assert refused.code == 2
    assert "--latent must be a whole number of at least 1, or auto, got 'few'" in refused.err

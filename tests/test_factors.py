"""How many latents rows need."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from diabolo import Autoencoder
from diabolo.errors import DataError, OptionError

QUICK = {"epochs": 1, "random_state": 0, "verbose": False}


def made(factors, *, curved, rows=2000, features=20, noise=0.1):
    rng = np.random.default_rng(factors)
    hidden = rng.normal(size=(rows, factors))
    clean = hidden @ rng.normal(size=(factors, features)) / np.sqrt(factors)
    if curved:
        clean += 0.5 * ((hidden @ rng.normal(size=(factors, features)) / np.sqrt(factors)) ** 2 - 1)
    return clean + noise * rng.normal(size=clean.shape)


@pytest.mark.parametrize("curved", [pytest.param(False, marks=pytest.mark.slow), True])
def test_as_many_latents_are_taken_as_rows_have_factors(curved):
    # PCA, which sees only what is straight, needs all 20 components for the curved rows.
    assert Autoencoder("auto", **QUICK).fit(made(5, curved=curved)).latent_dim_ == 5


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

"""A diagnosis finds the problems that were made on purpose, and none in a good model."""

import json
import re

import numpy as np
import pytest
from PIL import Image

from diabolo import Autoencoder
from diabolo.report.diagnosis import diagnose


def fitted(rows, **settings):
    options = {"random_state": 0, "epochs": 40} | settings
    return Autoencoder(options.pop("latent_dim", 3), **options).fit(rows, evaluate=False).model_


def findings(rows, **settings):
    return [str(finding) for finding in diagnose(fitted(rows, **settings), rows)]


@pytest.fixture(scope="module")
def rows():
    """2,000 rows of 12 numbers made of 3 factors."""
    rng = np.random.default_rng(5)
    return rng.normal(size=(2000, 3)) @ rng.normal(size=(3, 12)) + 0.1 * rng.normal(size=(2000, 12))


def named(found, words):
    return [finding for finding in found if words in finding]


def test_a_good_model_has_no_findings(rows):
    assert findings(rows) == []


def test_the_diagnosis_of_too_many_latents_says_how_many_are_needed(rng):
    flat = rng.normal(size=(2000, 3)) @ rng.normal(size=(3, 12))  # no noise that latents could hold
    (finding,) = named(findings(flat, latent_dim=11, structure=[], epochs=40), "directions")
    assert finding == "11 latents lie in 3 directions: latent_dim=3 may do as well."


def test_latents_that_say_nothing_are_a_collapse(rows):
    found = findings(rows, bottleneck="gaussian:beta=100", latent_dim=4)
    assert named(found, "posterior collapse: 4 of 4 latents carry no information")


def test_latents_that_a_good_variational_network_does_not_use_are_no_collapse(rows):
    found = findings(rows, bottleneck="gaussian", latent_dim=8, epochs=80)
    assert not named(found, "collapse")
    assert named(found, "5 of 8 latents are not used: latent_dim=3 may do as well.")


def test_few_rows_and_a_wide_network_over_fit(rng):
    few = rng.normal(size=(60, 30))
    found = findings(few, latent_dim=20, structure=[256], epochs=300, patience=0)
    assert named(found, "over-fitting: the validation loss is")


@pytest.mark.parametrize("seed", [0, 1, 3])
def test_a_network_that_has_fitted_nothing_is_not_said_to_over_fit(seed, rows):
    settings = {"random_state": seed, "latent_dim": 2}
    assert not named(findings(rows[:1000], bottleneck="gaussian:beta=100", epochs=10, **settings), "over-fitting")
    white = np.random.default_rng(seed).normal(size=(600, 20))
    assert not named(findings(white, epochs=20, **settings), "over-fitting")


def test_a_training_that_stops_too_early_is_advised_to_continue(rows):
    found = findings(rows, epochs=3, structure="dense", learning_rate_schedule="constant")
    # 1,800 rows are 29 steps an epoch, and 104 epochs are 3,000 of them.
    assert named(found, "training ended while the loss still fell: epochs=104.")


@pytest.mark.parametrize("epochs", [1, 6])
def test_a_short_training_with_a_falling_rate_is_advised_to_continue_too(epochs, digits):
    found = findings(digits.x_train[:1500], epochs=epochs, structure=[64], latent_dim=16)
    assert named(found, "training ended")


def test_scales_that_do_not_fit_together_are_named(rng):
    steps = np.linspace(0, 6, 16) + rng.normal(size=(300, 1))
    series = np.stack([1000 * np.sin(steps), np.cos(2 * steps)], axis=2)
    assert named(findings(series, epochs=3), "columns of the last axis share one scale")
    assert not named(findings(series[:, :, None], epochs=3), "one scale")
    table = rng.normal(size=(500, 6))
    table[7, 4] = 1e6
    # 499 numbers of about 0 and one of d have a standard deviation of d / sqrt(500).
    assert named(
        findings(table, epochs=3, validation_fraction=0), "column 4 has a value 22 standard deviations from its mean"
    )


def test_a_loss_that_was_asked_for_and_does_not_fit_is_named(digits):
    found = findings(digits.x_train[:500], reconstruction_loss="gaussian", epochs=2)
    assert named(found, "reconstruction_loss='bernoulli'")


def test_rectified_latents_that_died_are_counted(rows):
    model = fitted(rows, bottleneck_activation="relu", latent_dim=4, structure=[], epochs=1)
    model.weights["bottleneck/bias"][:2] = -1e3
    (finding,) = named([str(each) for each in diagnose(model, rows)], "the same for all rows")
    assert finding.startswith("2 of 4 latents")
    assert "bottleneck_activation='linear'" in finding
    model = fitted(rows, latent_dim=4, structure=[], epochs=1)
    model.weights["bottleneck/kernel"][:, :2] = 0
    (finding,) = named([str(each) for each in diagnose(model, rows)], "the same for all rows")
    assert "bottleneck_activation" not in finding  # it is linear


def test_codes_that_nobody_uses_are_counted(rows):
    model = fitted(rows, bottleneck="quantized:codes=64,groups=1", latent_dim=4, epochs=1)
    model.weights["bottleneck/book"][2:] = 1e3
    (finding,) = named([str(each) for each in diagnose(model, rows)], "codes are used")
    assert finding.startswith(("1 of 64", "2 of 64"))


def test_the_command_line_lists_presets_and_shows_what_was_noticed(cli, rows, tmp_path):
    listed = cli("fit", "--list-presets")
    assert listed.code == 0, listed.err
    assert "vae" in listed.out
    assert "--bottleneck gaussian" in listed.out
    np.save(tmp_path / "rows.npy", rows[:300])
    done = cli("fit", "rows.npy", "--preset", "vae", "--bottleneck", "gaussian:beta=100", "--epochs", "40", "-l", "4")
    assert done.code == 0, done.err
    assert "\nnoticed\n- posterior collapse: 4 of 4 latents carry no information" in done.out
    assert "Did you mean 'vae'" in cli("fit", "rows.npy", "--preset", "vea", "--force").err


def test_a_denoising_fit_judges_and_draws_rows_through_noise(cli, digits, tmp_path):
    np.save(tmp_path / "rows.npy", digits.x_train[:5000])
    corrupted = ("--corruption", "gaussian:0.5", "--structure", "dense 128")
    done = cli("fit", "rows.npy", *corrupted, "--epochs", "15", "--json", "-o", "m")
    assert done.code == 0, done.err
    errors = json.loads(done.out)["seen_errors"]
    assert errors["model"] < errors["pca"] < errors["rows"]
    noise = np.random.default_rng(0).normal(0, 128, (30, 28, 28))
    np.save(tmp_path / "clean.npy", digits.x_test[:30])
    np.save(tmp_path / "noisy.npy", np.clip(digits.x_test[:30] + noise, 0, 255).astype(np.uint8))
    done = cli("reconstruct", "m.safetensors", "noisy.npy", "--clean", "clean.npy", "--picture", "p.png")
    assert done.code == 0, done.err
    before, after = (float(each) for each in re.findall(r"0\.\d+", done.out))
    assert after < before / 2
    with Image.open(tmp_path / "p.png") as picture:
        assert picture.width > 1000
    for arguments, message in (
        (["--clean", "clean.npy"], "--clean is only used in a picture: add --picture FILE.png"),
        (["--picture", "p.jpg"], "must end in .png"),
        (["--picture", "p.png"], "exists: choose another name"),
        (["--picture", "q.png", "--clean", "rows.npy"], "rows.npy has 1,000 rows, but noisy.npy has 30"),
    ):
        done = cli("reconstruct", "m.safetensors", "noisy.npy", "-o", "out.npy", *arguments)
        assert done.code == 2
        assert message in done.err

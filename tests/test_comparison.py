"""After fit(), a model is compared with PCA and the mean: against scikit-learn, and in words."""

import logging

import numpy as np
import pandas as pd
import pytest
from sklearn import datasets
from sklearn.decomposition import PCA

from diabolo import Autoencoder


@pytest.fixture(scope="module")
def wine():
    rows = datasets.load_wine().data
    return (rows - rows.mean(axis=0)) / rows.std(axis=0)


@pytest.fixture(scope="module")
def model(wine):
    return Autoencoder(3, validation_fraction=0, random_state=0, verbose=False).fit(wine)


def test_the_errors_are_those_of_scikit_learn_and_of_the_model(wine, model):
    found, pca = model.evaluation_, PCA(3).fit(wine)
    assert (found.rows, found.evaluated_on) == (len(wine), "training")
    assert found.error == pytest.approx(np.square(wine - model.reconstruct(wine)).mean(), rel=1e-4)
    assert found.pca_error == pytest.approx(
        np.square(wine - pca.inverse_transform(pca.transform(wine))).mean(), rel=1e-4
    )
    assert found.constant_error == pytest.approx(1, rel=1e-6)
    assert found.error < found.pca_error
    assert not any("PCA" in str(each) for each in model.diagnosis_)


def test_rows_that_were_held_back_are_evaluated_on_where_there_are_some(wine):
    found = Autoencoder(3, random_state=0, verbose=False).fit(wine).evaluation_
    assert (found.rows, found.evaluated_on) == (17, "validation")
    table = pd.DataFrame(wine[:, :4], columns=list("abcd")).assign(kind=np.where(wine[:, 0] > 0, "x", "y"))
    found = Autoencoder(2, epochs=5, random_state=0, verbose=False).fit(table).evaluation_
    assert found.constant_error == 1
    assert found.unit == "of the error of the best constant guess"


def test_a_model_that_is_worse_than_pca_is_a_warning_with_what_to_type(wine, caplog):
    with caplog.at_level(logging.WARNING, "diabolo"):
        hardly = Autoencoder(3, structure="dense", epochs=5, random_state=0, verbose=False).fit(wine)
    assert hardly.evaluation_.error > hardly.evaluation_.pca_error
    said = "\n".join(each.message for each in caplog.records)
    assert "PCA reconstructs better" in said
    assert "structure='skip' (--structure skip)" in said
    # 161 rows are 3 steps an epoch.
    assert "training ended while the loss still fell: epochs=1000" in said
    caplog.clear()
    better = Autoencoder(3, structure="dense", epochs=1000, random_state=0, verbose=False).fit(wine)
    assert better.evaluation_.error < 1.02 * better.evaluation_.pca_error  # so the advice suffices
    assert not caplog.records


def test_a_variational_network_that_is_worse_is_no_warning(wine, caplog):
    model = Autoencoder(3, bottleneck="gaussian:beta=4", epochs=200, random_state=0, verbose=False).fit(wine)
    assert any("price of the bottleneck" in str(each) for each in model.diagnosis_)
    assert not [each for each in caplog.records if "PCA" in each.message]


def test_what_was_found_before_does_not_stay(wine, model):
    again = Autoencoder(3, epochs=1, random_state=0, verbose=False).fit(wine)
    assert again.evaluation_.rows == 17
    again.fit(wine, evaluate=False)
    assert not hasattr(again, "evaluation_")
    assert not hasattr(again, "diagnosis_")


def test_the_command_line_says_so_too(cli, wine, tmp_path):
    np.save(tmp_path / "wine.npy", wine)
    done = cli("fit", "wine.npy", "--latent", "3", "--structure", "dense", "--epochs", "5", "--no-pictures")
    assert done.code == 0, done.err
    assert "- PCA reconstructs better" in done.out
    assert "--structure skip" in done.out

"""scikit-learn to the letter."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from diabolo import AnomalyDetector, Autoencoder

# As many latents as features are wanted by some checks, whose rows have one or two.
SMALL = Autoencoder(epochs=2, structure=[4], random_state=0, verbose=False, allow_overcomplete=True)


# What is left out needs SCIPY_ARRAY_API to be set before anything is loaded.
@pytest.mark.filterwarnings("ignore:.*:sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks([SMALL, AnomalyDetector(SMALL)])
def test_every_check_of_scikit_learn_passes(estimator, check):
    check(estimator)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*:sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks([AnomalyDetector()])
def test_every_check_of_scikit_learn_passes_with_the_defaults(estimator, check):
    check(estimator)


def test_it_works_in_pipelines_columns_and_searches(table):
    labels = table[:, 0] > np.median(table[:, 0])
    small = clone(SMALL).set_params(latent_dim=2)
    make_pipeline(StandardScaler(), small, LogisticRegression()).fit(table, labels).predict(table)
    columns = ColumnTransformer([("squeezed", small, slice(0, 6))], remainder="passthrough").fit(table)
    assert columns.transform(table).shape == (600, 4)
    search = GridSearchCV(small.set_params(epochs=60), {"latent_dim": [1, 3]}, cv=2).fit(table)
    assert search.best_params_["latent_dim"] == 3  # of three factors


def test_latents_have_names_in_the_frames_that_are_asked_for(table):
    net = clone(SMALL).set_params(latent_dim=2).fit(table)
    assert list(net.get_feature_names_out()) == ["latent_0", "latent_1"]
    frame = net.set_output(transform="pandas").transform(table)
    assert isinstance(frame, pd.DataFrame)
    assert list(frame.columns) == ["latent_0", "latent_1"]
    assert isinstance(net.set_output(transform="polars").transform(table), pl.DataFrame)
    named = pd.DataFrame(table, columns=[f"c{at}" for at in range(8)], index=np.arange(600) * 2)
    net = clone(SMALL).fit(named)
    assert list(net.feature_names_in_) == list(named.columns)
    assert net.set_output(transform="pandas").transform(named).index.equals(named.index)


def test_a_pickle_holds_the_bytes_of_a_model_file(fitted_table, table):
    content = pickle.dumps(fitted_table)
    again = pickle.loads(content)
    np.testing.assert_array_equal(again.encode(table), fitted_table.encode(table))
    assert again.get_params() == fitted_table.get_params()
    from diabolo.model import file as modelfile

    assert modelfile.to_bytes(fitted_table.model_) in content
    assert not hasattr(pickle.loads(pickle.dumps(clone(fitted_table))), "model_")


def test_a_fitted_detector_can_be_pickled(table):
    detector = AnomalyDetector(SMALL, random_state=0).fit(table)
    again = pickle.loads(pickle.dumps(detector))
    np.testing.assert_array_equal(again.score_samples(table), detector.score_samples(table))

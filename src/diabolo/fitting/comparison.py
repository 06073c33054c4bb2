"""A trained model compared with PCA and with the best constant, on rows that it did not learn from.

Order: the rows, the comparison, what is said about it.
"""

import logging
import math
from typing import NamedTuple

import numpy as np

from diabolo.data.adapters import Rows
from diabolo.data.splits import Division, spread_evenly
from diabolo.model.model import Model
from diabolo.report import diagnosis, summary
from diabolo.report.diagnosis import Finding

KNOWN_ROWS, KNOWN_PER_FEATURE = (2_000, 10_000), 5  # the least and the most rows that PCA is fitted on, and for each
EVALUATED_ROWS = 2_000

logger = logging.getLogger(__name__)


class Sample(NamedTuple):
    """Rows as their user has them: some to fit PCA on, and some to evaluate on.

    Attributes:
        known: training rows.
        evaluated: rows that were held back; where none were, training rows.
        held_back: whether they were.
    """

    known: Rows
    evaluated: Rows
    held_back: bool


class Evaluation(NamedTuple):
    """How good a model is, compared with PCA and the best constant.

    Errors are mean squared errors per feature in `unit`; of a table they are relative to the error of the best constant
    guess, averaged over the columns.

    Attributes:
        rows: how many rows it was evaluated on, at most 2,000.
        evaluated_on: "validation" rows, or "training" rows where none were held back.
        error: of the model.
        pca_error: of PCA with as many components as the model has latents, fitted on training rows.
        constant_error: of the mean row, or of the best constant of each column.
        unit: of the errors, in words.
    """

    rows: int
    evaluated_on: str
    error: float
    pca_error: float
    constant_error: float
    unit: str


def sampled(part: Division) -> Sample | None:
    """Return a sample of rows; None for a stream, whose rows are read in order only."""
    if not isinstance(part.whole, np.ndarray):
        return None
    training = np.arange(len(part.whole)) if part.held is None else np.flatnonzero(~part.held)
    least, most = KNOWN_ROWS
    count = max(least, min(most, KNOWN_PER_FEATURE * math.prod(part.whole.shape[1:])))
    known = part.whole[training[spread_evenly(len(training), count)]]
    if part.validation is None:
        return Sample(known, known[:EVALUATED_ROWS], held_back=False)
    held = part.validation[spread_evenly(len(part.validation), EVALUATED_ROWS)]
    return Sample(known, held, held_back=True)


def evaluate(model: Model, sample: Sample) -> Evaluation:
    """Return how good a model is on a sample of its rows."""
    errors = summary.errors_of(model, sample.known, sample.evaluated)
    evaluated_on = "validation" if sample.held_back else "training"
    return Evaluation(len(sample.evaluated), evaluated_on, errors.error, errors.pca, errors.constant, errors.unit)


def diagnose(model: Model, sample: Sample, evaluation: Evaluation) -> list[Finding]:
    """Return the problems of a model, and log those that a user must not miss as warnings."""
    worse = diagnosis.worse_than_pca(model, evaluation.error, evaluation.pca_error)
    found = diagnosis.diagnose(model, sample.evaluated) + ([] if worse is None else [worse])
    for each in found:
        if each.serious:
            logger.warning("fit(): %s", each)
    return found

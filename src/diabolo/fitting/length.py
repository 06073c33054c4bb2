"""How long a training is, where its settings leave that open."""

import math

from diabolo.fitting.preparation import Prepared
from diabolo.model.settings import EPOCHS, LEAST_STEPS, PATIENCE, Settings

# Additions and multiplications that the least number of steps may take, some 10 to 20 s on two cores: large networks
# have fewer steps.
MOST_OPERATIONS = 1e12
A_STEP = 6  # for each row and weight: forward, and backward to the weights and to the input


def with_length(settings: Settings, prepared: Prepared) -> Settings:
    """Return settings with the number of epochs and the patience.

    A training of the least number of steps goes on to its end: it is short, and the last steps, at low rates, count.
    """
    rows = min(settings.batch_size, prepared.rows)
    steps_an_epoch = math.ceil(prepared.rows / rows)
    steps = min(LEAST_STEPS, MOST_OPERATIONS / (A_STEP * rows * prepared.network.operations))
    least = math.ceil(steps / steps_an_epoch)
    epochs = max(EPOCHS, least) if settings.epochs is None else settings.epochs
    patience = (PATIENCE if epochs > least else 0) if settings.patience is None else settings.patience
    return settings.changed(epochs=epochs, patience=patience)

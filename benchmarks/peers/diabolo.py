"""Diabolo, through its estimator."""

from benchmarks.task import Laps, Task
from diabolo import Autoencoder


def epochs(task: Task) -> list[float]:
    laps = Laps()
    Autoencoder(
        structure="-".join(map(str, task.sizes)),
        activation="relu",
        bottleneck_activation="relu",
        reconstruction_loss="bernoulli",
        learning_rate_schedule="constant",
        batch_size=task.batch_size,
        epochs=task.epochs,
        validation_fraction=0,
        random_state=0,
    ).fit(task.images, report=lambda progress: laps.lap() if progress.epoch_done else None)
    return laps.seconds

"""PyOD's AutoEncoder, without its normalisation and dropout so that the network is the same; its loss is squared."""

from pyod.models.auto_encoder import AutoEncoder

from benchmarks.task import Laps, Task


def epochs(task: Task) -> list[float]:
    laps = Laps()

    class Timed(AutoEncoder):
        def epoch_update(self) -> None:
            super().epoch_update()
            laps.lap()

    Timed(
        preprocessing=False,
        epoch_num=task.epochs,
        batch_size=task.batch_size,
        hidden_neuron_list=list(task.sizes[1:]),
        batch_norm=False,
        dropout_rate=0.0,
        verbose=0,
    ).fit(task.scaled)
    return laps.seconds

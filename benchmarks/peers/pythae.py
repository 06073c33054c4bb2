"""Pythae's AE with the same encoder and decoder; its loss is squared."""

import tempfile

import torch
from pythae.data.datasets import BaseDataset
from pythae.models import AE, AEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from pythae.trainers.training_callbacks import TrainingCallback

from benchmarks.peers.pytorch import network
from benchmarks.task import Laps, Task


class Encoder(BaseEncoder):
    """The first half."""

    def __init__(self, layers: torch.nn.Module, latent_dim: int) -> None:
        super().__init__()
        self.layers, self.latent_dim = layers, latent_dim

    def forward(self, x: torch.Tensor) -> ModelOutput:
        return ModelOutput(embedding=self.layers(x))


class Decoder(BaseDecoder):
    """The second half."""

    def __init__(self, layers: torch.nn.Module) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, z: torch.Tensor) -> ModelOutput:
        return ModelOutput(reconstruction=self.layers(z))


class Clock(TrainingCallback):
    """Calls lap() at the end of each epoch."""

    def __init__(self, laps: Laps) -> None:
        self.laps = laps

    def on_epoch_end(self, training_config: BaseTrainerConfig, **kwargs: object) -> None:
        self.laps.lap()


def epochs(task: Task) -> list[float]:
    both, middle = network(task), 2 * (len(task.sizes) - 1)
    config = AEConfig(input_dim=(task.sizes[0],), latent_dim=task.sizes[-1])
    model = AE(config, Encoder(both[:middle], task.sizes[-1]), Decoder(both[middle:]))
    laps = Laps()
    with tempfile.TemporaryDirectory() as folder:
        training = BaseTrainerConfig(
            output_dir=folder,
            num_epochs=task.epochs,
            learning_rate=1e-3,
            per_device_train_batch_size=task.batch_size,
            optimizer_cls="Adam",
        )
        rows = BaseDataset(torch.from_numpy(task.scaled), torch.ones(task.rows))
        trainer = BaseTrainer(model=model, train_dataset=rows, training_config=training, callbacks=[Clock(laps)])
        laps.restart()
        trainer.train()
    return laps.seconds

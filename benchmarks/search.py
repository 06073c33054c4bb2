"""What a search finds in a given time: `python -m benchmarks.search FOLDER [--minutes 10] [--seeds 0 1 2 3 4]`.

MNIST (DIABOLO_DATA must hold it), 16 latents, judged on the 10,000 test images, in the same time each: the search,
choices by chance, Optuna around Keras' `fit`, both trained whole, and the default Autoencoder. What is done is kept in
FOLDER and not done again.

Order: the ways, the table.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from diabolo import Autoencoder, datasets
from diabolo.search import search, space
from diabolo.training.engines import Compiled, Engine, Job, Trained
from diabolo.training.progress import Report, quiet

LATENTS = 16
EPOCHS = 60
SHORT = (2, 6)  # epochs of the trainings that tell how long one is

Way = Callable[[Any, float, int, Path], Autoencoder]
Train = Callable[[Any, dict[str, Any], float], Autoencoder | None]


def ours(rows: Any, seconds: float, seed: int, folder: Path) -> Autoencoder:
    """Successive halving."""
    return search(rows, latent_dim=LATENTS, budget=seconds, random_state=seed, run=folder).best


def default(rows: Any, seconds: float, seed: int, folder: Path) -> Autoencoder:
    """As many epochs as the time allows."""
    settings = {"random_state": seed, "verbose": False, "patience": 0}
    epochs = _that_fit(seconds, lambda few: Autoencoder(LATENTS, epochs=few, **settings).fit(rows))
    return Autoencoder(LATENTS, epochs=epochs, **settings).fit(rows)


def _that_fit(seconds: float, train: Callable[[int], Any]) -> int:
    """Return how many epochs go into so much time, by two short trainings: what both need alike is no epoch's."""
    taken = []
    for few in SHORT:
        started = time.perf_counter()
        train(few)
        taken.append(time.perf_counter() - started)
    an_epoch = (taken[1] - taken[0]) / (SHORT[1] - SHORT[0])
    start = max(0.0, taken[0] - SHORT[0] * an_epoch)
    return int((seconds - start) / an_epoch)


def by_chance(rows: Any, seconds: float, seed: int, folder: Path) -> Autoencoder:
    """Choices by chance, each trained whole by the compiled loop."""
    import optuna

    return _whole(rows, seconds, optuna.samplers.RandomSampler(seed=seed), seed, _compiled)


def keras_fit(rows: Any, seconds: float, seed: int, folder: Path) -> Autoencoder:
    """Choices by Optuna, each trained whole by Keras' fit."""
    import optuna

    return _whole(rows, seconds, optuna.samplers.TPESampler(seed=seed), seed, _by_keras)


def _whole(rows: Any, seconds: float, sampler: Any, seed: int, train: Train) -> Autoencoder:
    """Train whole what is drawn; the first has as many epochs as the time allows, so that there is a result."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study, tried = optuna.create_study(sampler=sampler), space.read(None, rows.shape[1:], {})
    ends, best, least = time.perf_counter() + seconds, None, np.inf
    while best is None or time.perf_counter() < ends:
        trial = study.ask()
        chosen = {"epochs": EPOCHS, "random_state": seed} | space.settings(space.draw(trial, tried), {})
        if best is None:
            fit = _that_fit(seconds, lambda few, chosen=chosen: train(rows, chosen | {"epochs": few}, np.inf))
            chosen["epochs"] = max(1, min(EPOCHS, fit - sum(SHORT)))
        model = train(rows, chosen, np.inf if best is None else ends)
        if model is None:  # the time was over before its end
            break
        error = min(model.history_.get("val_reconstruction", model.history_["val_loss"]))
        study.tell(trial, error)
        if error < least:
            best, least = model, error
    return best


class _Late(Exception):
    pass


def _compiled(rows: Any, chosen: dict[str, Any], ends: float) -> Autoencoder | None:
    def watch(progress: Any) -> None:
        if time.perf_counter() > ends:
            raise _Late

    try:
        return Autoencoder(LATENTS, patience=0, **chosen).fit(rows, report=watch)
    except _Late:
        return None


class _ByKeras(Engine):
    """Training by Keras' own fit, until a time. Raises _Late after it."""

    def __init__(self, ends: float) -> None:
        self._ends = ends

    def train(self, job: Job, report: Report = quiet) -> Trained:
        """Train the network of a job."""
        import keras

        from diabolo.network import optimizers
        from diabolo.network.backends.keras import builder

        ends, shard = self._ends, job.shard

        class Watch(keras.callbacks.Callback):
            def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
                if time.perf_counter() > ends:
                    raise _Late

        models = builder.build(job.network, link=job.loss.link, seed=job.seed)
        steps = job.epochs * -(-shard.row_count // job.batch_size)
        optimizer = optimizers.make(job.optimizer, job.learning_rate, job.schedule, steps)
        models.autoencoder.compile(optimizer, loss="binary_crossentropy")

        def scaled(rows: Any) -> Any:
            return (rows.astype(np.float32) - shard.offset) / shard.scale

        x, held = scaled(shard.rows), scaled(shard.validation)
        more = {"epochs": job.epochs, "batch_size": job.batch_size, "verbose": 0}
        history = models.autoencoder.fit(x, x, validation_data=(held, held), callbacks=[Watch()], **more).history
        curves = {name: [float(each) for each in history[name]] for name in ("loss", "val_loss")}
        weights = builder.get_weights(models, job.network)
        return Trained(weights, curves, len(curves["loss"]), False, self.versions(job))

    def versions(self, job: Job) -> dict[str, str]:
        """Return those of the compiled engine."""
        return Compiled().versions(job)


def _by_keras(rows: Any, chosen: dict[str, Any], ends: float) -> Autoencoder | None:
    chosen = {name: value for name, value in chosen.items() if name != "corruption"}
    try:
        return Autoencoder(LATENTS, verbose=False, **chosen).fit(rows, engine=_ByKeras(ends))
    except _Late:
        return None


WAYS: dict[str, Way] = {"search": ours, "by chance": by_chance, "Optuna, Keras fit": keras_fit, "default": default}


def main() -> None:
    """Run what is not done yet, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="to keep results in")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS))
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    data = datasets.mnist(os.environ["DIABOLO_DATA"])
    for seed in asked.seeds:
        for name in asked.ways:
            path = asked.folder / f"{name.replace(', ', '-').replace(' ', '-')}-{asked.minutes:g}-{seed}.json"
            if not path.is_file():
                started = time.perf_counter()
                model = WAYS[name](data.x_train, 60 * asked.minutes, seed, path.with_suffix(""))
                error = float(np.square((model.reconstruct(data.x_test).astype(float) - data.x_test) / 255).mean())
                about = {
                    name: value for name, value in model.get_params().items() if isinstance(value, (str, int, float))
                }
                path.write_text(json.dumps({"error": error, "seconds": time.perf_counter() - started, "about": about}))
            found = json.loads(path.read_text())
            print(f"| {name} | seed {seed} | {found['error']:.5f} | {found['seconds']:.0f} s |", flush=True)


if __name__ == "__main__":
    main()

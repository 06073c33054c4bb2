"""How good auto-encoders are, compared with published figures: `python -m benchmarks.quality FOLDER [PROTOCOL ...]`.

Each protocol trains on MNIST (DIABOLO_DATA must hold it) with a seed that is named, and prints a line of the table in
RESULTS.md. What it needs is kept in FOLDER every minute: stopped with Ctrl-C and called again, it continues,
and what is done is not done again.

Order: a training that can be stopped, the measures, the protocols, the table.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from diabolo import Autoencoder, datasets
from diabolo.training import Progress, checkpoints
from diabolo.training.engines import Compiled, Engine, Job, Trained
from diabolo.training.progress import Report, quiet

SEED = 0
MINUTE = 60

Figures = dict[str, float]


class Resumable(Engine):
    """Compiled training whose state is kept in a folder each minute, and continues from there.

    Args: start: an estimator whose weights to begin with.
    """

    def __init__(self, folder: Path, start: Autoencoder | None = None) -> None:
        self._folder, self._start = folder, start

    def train(self, job: Job, report: Report = quiet) -> Trained:
        """Train from the beginning, or from the state in the folder."""
        path, saved = self._folder / "state.safetensors", time.monotonic()

        def keep(progress: Progress, state: Callable[[], Any]) -> None:
            nonlocal saved
            print(f"\repoch {progress.epoch}: {progress.loss:.4f}", end="", flush=True)
            if time.monotonic() - saved > MINUTE:
                checkpoints.write(path, state(), self._folder.name)
                saved = time.monotonic()

        restored = checkpoints.read(path, self._folder.name) if path.is_file() else None
        weights = job.weights if self._start is None else self._start.model_.weights
        return Compiled().train(replace(job, weights=weights, restored=restored, keep=keep), report)

    def versions(self, job: Job) -> dict[str, str]:
        """Return those of the compiled engine."""
        return Compiled().versions(job)


class Run:
    """One protocol at work: its folder, its data."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        data = datasets.mnist(os.environ["DIABOLO_DATA"])
        self.train, self.test = data.x_train, data.x_test
        self.train_labels, self.test_labels = data.y_train, data.y_test

    def fit(
        self, name: str, rows: Any, latent_dim: int | None = None, start: Autoencoder | None = None, **settings: Any
    ) -> Autoencoder:
        """Return a trained estimator, from the folder where it is there already."""
        import diabolo

        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "model.safetensors"
        if path.is_file():
            return diabolo.load(path)
        # All rows are trained on: the published figures come from trainings that held nothing back.
        defaults = {"validation_fraction": 0, "random_state": SEED, "verbose": False}
        model = Autoencoder(latent_dim, **(defaults | settings))
        started = time.perf_counter()
        model.fit(rows, engine=Resumable(folder, start))
        print(f"\r{name}: {time.perf_counter() - started:.0f} s", flush=True)
        model.save(path)
        return model


def sse(model: Autoencoder, rows: Any) -> float:
    """Return the squared error summed over the pixels in [0, 1], mean over images."""
    away = (model.reconstruct(rows).astype(float) - rows) / 255
    return float(np.square(away).reshape(len(rows), -1).sum(axis=1).mean())


def bce(model: Autoencoder, rows: Any) -> float:
    """Return the cross-entropy summed over pixels, mean over images."""
    return -model.score(rows)


def neighbours(model: Autoencoder, run: Run) -> float:
    """Return the accuracy of five nearest neighbours among the latents of the training images."""
    from sklearn.neighbors import KNeighborsClassifier

    classifier = KNeighborsClassifier(5, n_jobs=-1).fit(model.encode(run.train), run.train_labels)
    return float(classifier.score(model.encode(run.test), run.test_labels))


def flat(images: Any) -> Any:
    """Return images (n, 28, 28) as rows (n, 784)."""
    return images.reshape(len(images), -1)


# A decay of weights is what a training this long needs: without, the same network ends at 58.5 nats of the test images
# and 52.6 of the training images, with at 55.9 and 54.1.
HINTON = {"structure": "784-1000-500-250-30", "optimizer": "adamw:0.2", "batch_size": 128, "epochs": 100}


def deep_sse(run: Run) -> Figures:
    """784-1000-500-250-30, squared error; trained by the cross-entropy, whose sigmoid keeps pixels in [0, 1]."""
    model = run.fit("deep-sse", flat(run.train), **HINTON, activation="elu")
    return {"train SSE": sse(model, flat(run.train)), "test SSE": sse(model, flat(run.test))}


def deep_bce(run: Run) -> Figures:
    """784-1000-500-250-30, ReLU, cross-entropy."""
    model = run.fit("deep-bce", flat(run.train), **HINTON, activation="relu")
    return {"train BCE": bce(model, flat(run.train)), "test BCE": bce(model, flat(run.test))}


BURDA = {
    "structure": [200, 200],
    "activation": "tanh",
    "corruption": "binarize",
    "optimizer": "adam",
    "batch_size": 100,
}


def vae(run: Run) -> Figures:
    """784-200-200-50, tanh, a new binarisation each time; log-likelihood of one binarisation of the test images."""
    return _likelihood(run, _vae(run))


def iwae(run: Run) -> Figures:
    """The same from 50 importance samples."""
    settings = BURDA | {"bottleneck": "gaussian:samples=50", "epochs": 150}
    return _likelihood(run, run.fit("iwae", flat(run.train), 50, **settings))


def iwae_behind_vae(run: Run) -> Figures:
    """50 importance samples again, beginning with the weights of the variational network: an epoch costs 30 of its."""
    settings = BURDA | {"bottleneck": "gaussian:samples=50", "epochs": 60, "learning_rate": 0.0005}
    return _likelihood(run, run.fit("iwae-behind-vae", flat(run.train), 50, start=_vae(run), **settings))


def _vae(run: Run) -> Autoencoder:
    return run.fit("vae", flat(run.train), 50, **BURDA, bottleneck="gaussian", epochs=1000)


def _likelihood(run: Run, model: Autoencoder) -> Figures:
    rows = (np.random.default_rng(SEED).random((len(run.test), 784)) < flat(run.test) / 255).astype(np.uint8) * 255
    return {
        "minus the bound, training rows": model.history_["loss"][-1],
        "NLL": -float(model.log_likelihood(rows, n_samples=5000, random_state=SEED).mean()),
    }


CONVOLUTIONS = {"structure": "conv 32-64, dense 256", "optimizer": "adamw:0.1", "epochs": 50, "batch_size": 128}


def conv_64(run: Run) -> Figures:
    """Convolutions, 64 latents."""
    model = run.fit("conv-64", run.train, 64, **CONVOLUTIONS)
    return {"test MSE": sse(model, run.test) / 784, "5-NN": neighbours(model, run)}


def conv_2(run: Run) -> Figures:
    """Convolutions, 2 latents."""
    model = run.fit("conv-2", run.train, 2, **CONVOLUTIONS)
    return {"test MSE": sse(model, run.test) / 784, "5-NN": neighbours(model, run)}


def denoising(run: Run) -> Figures:
    """Normal noise of half the range, clipped: the error off the clean images, beside a median filter and PCA."""
    from scipy.ndimage import median_filter
    from sklearn.decomposition import PCA

    settings = {"structure": "dense 1024-512", "optimizer": "adamw:0.1", "corruption": "gaussian:0.5"}
    model = run.fit("denoising", run.train, 64, **settings)
    chance = np.random.default_rng(SEED)

    def noisy(images: Any) -> Any:
        return np.clip(images / 255 + 0.5 * chance.standard_normal(images.shape), 0, 1)

    clean, seen = run.test / 255, noisy(run.test)
    as_bytes = (seen * 255).round().astype(np.uint8)
    # As many components as do best, fitted on noisy images: a yardstick should be given its chance.
    known = flat(noisy(run.train[:20_000]))
    errors = []
    for components in (20, 30, 40, 60):
        pca = PCA(components, random_state=SEED).fit(known)
        restored = pca.inverse_transform(pca.transform(flat(seen)))
        errors.append(np.square(np.clip(restored, 0, 1) - flat(clean)).mean())
    filtered = [np.square(median_filter(seen, (1, size, size)) - clean).mean() for size in (3, 5)]
    return {
        "MSE": np.square(model.reconstruct(as_bytes) / 255 - clean).mean(),
        "median filter": min(filtered),
        "PCA": min(errors),
        "noisy": np.square(seen - clean).mean(),
    }


def ordered(run: Run) -> Figures:
    """Nested dropout over 32 latents, cut; beside networks trained for just that size."""
    return _cut(run, "ordered", bottleneck="ordered")


def ordered_sizes(run: Run) -> Figures:
    """The same, trained for 2, 8 and 32 alone, in a network that is wider than those beside it."""
    return _cut(run, "ordered-sizes", bottleneck="ordered:sizes=2-8", structure="dense 1024-512-256")


def _cut(run: Run, name: str, **ours: Any) -> Figures:
    settings = {"structure": "dense 512-256", "optimizer": "adamw:0.1", "epochs": 50, "batch_size": 128}
    whole = run.fit(name, flat(run.train), 32, **settings | ours)
    curve = whole.error_by_size(flat(run.test))
    figures = {}
    for size in (2, 8, 32):
        alone = run.fit(f"ordered-{size}", flat(run.train), size, **settings)
        figures[f"cut to {size}, over one of its own"] = (
            curve[size - 1] / alone.model_.squared_error_per_row(flat(run.test)).mean()
        )
    return figures


class Protocol(NamedTuple):
    """A training and what it is held against."""

    work: Callable[[Run], Figures]
    reach: str


PROTOCOLS = {
    "deep-sse": Protocol(deep_sse, "test SSE < 2.65"),
    "deep-bce": Protocol(deep_bce, "test BCE < 57.5"),
    "conv-64": Protocol(conv_64, "test MSE <= 0.00162, 5-NN >= 0.976"),
    "conv-2": Protocol(conv_2, "test MSE <= 0.0369"),
    "denoising": Protocol(denoising, "less than half of the median filter and of PCA"),
    "ordered": Protocol(ordered, "<= 1.15 at 8 and 32"),
    "ordered-sizes": Protocol(ordered_sizes, "<= 1.15 at 8 and 32"),
    "vae": Protocol(vae, "NLL <= 88.0"),
    "iwae": Protocol(iwae, "NLL 1 below the one above"),
    "iwae-behind-vae": Protocol(iwae_behind_vae, "NLL 1 below the variational one"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="to keep models and results in")
    parser.add_argument("protocols", nargs="*", choices=[*PROTOCOLS, []], metavar="PROTOCOL", help="default: all")
    settings = parser.parse_args()
    run = Run(settings.folder)
    for name in settings.protocols or PROTOCOLS:
        path = settings.folder / f"{name}.json"
        if not path.is_file():
            results = PROTOCOLS[name].work(run)
            path.write_text(json.dumps({what: float(value) for what, value in results.items()}))
        figures = ", ".join(f"{what} {value:.4g}" for what, value in json.loads(path.read_text()).items())
        print(f"| {name} | {PROTOCOLS[name].reach} | {figures} |", flush=True)


if __name__ == "__main__":
    main()

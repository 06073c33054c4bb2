"""Seconds until a network is good enough: `python -m benchmarks.until --loss 56`.

784-128-784 on MNIST, Adam 0.001, batches of 64, cross-entropy; a tenth of the training rows is held back. The clock
starts behind the imports, counts whatever is compiled, and stops at the end of the first epoch whose mean loss on the
held rows, in nats an image, is low enough. Each peer in a process of its own, in turn, medians of several rounds.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable

import numpy as np

from benchmarks.task import Task, run

EPOCHS = 20
Check = Callable[[float], bool]  # takes the loss of the held rows, says whether it is low enough


def diabolo(rows: np.ndarray, enough: Check) -> None:
    from diabolo import Autoencoder

    class GoodEnough(Exception):
        pass

    def report(progress):
        if progress.epoch_done and enough(progress.val_loss):
            raise GoodEnough

    model = Autoencoder(
        structure="784-128",
        activation="relu",
        bottleneck_activation="relu",
        reconstruction_loss="bernoulli",
        optimizer="adam",
        learning_rate_schedule="constant",
        epochs=EPOCHS,
        random_state=0,
    )
    try:
        model.fit(rows, report=report)
    except GoodEnough:
        return


def keras_fit(rows: np.ndarray, enough: Check, **settings: object) -> None:
    import keras

    scaled = (rows / 255).astype(np.float32)
    network = keras.Sequential(
        [keras.Input((784,)), keras.layers.Dense(128, "relu"), keras.layers.Dense(784, "sigmoid")]
    )
    network.compile("adam", "binary_crossentropy", **settings)

    def stop(epoch, logs):
        network.stop_training = enough(784 * logs["val_loss"])

    network.fit(
        scaled,
        scaled,
        batch_size=64,
        epochs=EPOCHS,
        validation_split=0.1,
        verbose=0,
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=stop)],
    )


def keras_steps(rows: np.ndarray, enough: Check) -> None:
    keras_fit(rows, enough, steps_per_execution=100, jit_compile=True)


def pytorch(rows: np.ndarray, enough: Check) -> None:
    import torch
    from torch import nn

    scaled = torch.from_numpy((rows / 255).astype(np.float32))
    train, held = scaled[: 9 * len(scaled) // 10], scaled[9 * len(scaled) // 10 :]
    network = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 784))
    loss = nn.BCEWithLogitsLoss(reduction="sum")
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    for _ in range(EPOCHS):
        for places in torch.randperm(len(train)).split(64):
            batch = train[places]
            optimizer.zero_grad(set_to_none=True)
            (loss(network(batch), batch) / len(batch)).backward()
            optimizer.step()
        with torch.no_grad():
            total = sum(float(loss(network(batch), batch)) for batch in held.split(1024))
        if enough(total / len(held)):
            return


PEERS = {each.__name__: each for each in (diabolo, keras_fit, keras_steps, pytorch)}


def one(peer: str, loss: float) -> None:
    """Train one peer until the loss is reached and print the seconds as JSON."""
    rows = Task((784, 128), 64, EPOCHS, 60_000).images
    rows = rows[np.random.default_rng(0).permutation(len(rows))]  # the last tenth is as good as any
    {"diabolo": _import_ours, "pytorch": lambda: __import__("torch")}.get(peer, lambda: __import__("keras"))()
    losses: list[float] = []

    def enough(reached: float) -> bool:
        losses.append(reached)
        return reached <= loss

    started = time.perf_counter()
    PEERS[peer](rows, enough)
    print(json.dumps({"seconds": time.perf_counter() - started, "losses": losses}))


def _import_ours() -> None:
    from diabolo.training import backend

    backend.load_tensorflow()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--loss", type=float, default=56.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    settings = parser.parse_args()
    if settings.one:
        one(settings.one, settings.loss)
        return
    rounds = []
    for _ in range(settings.rounds):
        results = {}
        for peer in PEERS:
            results[peer] = run("benchmarks.until", "--one", peer, "--loss", str(settings.loss))
        rounds.append(results)
        print({peer: (round(each["seconds"], 2), len(each["losses"])) for peer, each in results.items()}, flush=True)
    print("| | seconds | times as long | epochs | loss reached |\n|---|---|---|---|---|")
    for peer in PEERS:
        seconds = statistics.median(each[peer]["seconds"] for each in rounds)
        ratio = statistics.median(each[peer]["seconds"] / each["diabolo"]["seconds"] for each in rounds)
        epochs = statistics.median(len(each[peer]["losses"]) for each in rounds)
        reached = statistics.median(each[peer]["losses"][-1] for each in rounds)
        print(f"| {peer} | {seconds:.2f} | {ratio:.2f} | {epochs:g} | {reached:.1f} |")


if __name__ == "__main__":
    main()

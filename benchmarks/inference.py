"""Encoding one row and many, compared with Keras `predict` and bare ONNX Runtime: `python -m benchmarks.inference`.

First narrow and wide rows and a file of 2 GB, against bare sessions of ONNX Runtime with the same graphs. Then
784-512-256-32, the default network of the digits: one process, the three in turn, medians; a cold `diabolo encode` of
one row against the import of TensorFlow, each in a process of its own.

    --only arrays file keras
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from diabolo import Autoencoder, datasets, split


def median_seconds(functions: dict[str, Callable[[], Any]], rounds: int, calls: int = 1) -> dict[str, float]:
    """Return the median seconds of each function; in each round each is called `calls` times in turn.

    With several calls the first of a round does not count: it finds the processor's caches full of another's data.
    """
    laps: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(rounds):
        for name, function in functions.items():
            for call in range(calls):
                started = time.perf_counter()
                function()
                if call or calls == 1:
                    laps[name].append(time.perf_counter() - started)
    return {name: statistics.median(seconds) for name, seconds in laps.items()}


def show(title: str, seconds: dict[str, float]) -> None:
    print(f"\n{title}")
    for name, each in seconds.items():
        print(f"{name:36}{1e3 * each:>12.3f} ms {each / next(iter(seconds.values())):>10.2f}")


def bare(model: Any) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """Return functions that encode and decode tensors by sessions of ONNX Runtime alone."""
    import onnxruntime

    from diabolo.network.backends.onnx import builder

    sessions = [
        onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
        for graph in (
            builder.build_encoder(model.network, model.weights, model.loss),
            builder.build_decoder(model.network, model.weights, link=model.loss.link),
        )
    ]
    return (
        lambda tensors: sessions[0].run(["latent"], {"rows": tensors})[0],
        lambda latents: sessions[1].run(["reconstruction"], {"latent": latents})[0],
    )


def arrays() -> None:
    """Narrow and wide rows in memory, in one call."""
    rng = np.random.default_rng(0)
    kinds = {
        "1,000,000 x 20, 20-32-16-8": (rng.standard_normal((1_000_000, 20), np.float32), 8, [32, 16]),
        "60,000 x 784 in [0, 1], 784-512-256-32": (rng.random((60_000, 784), np.float32), 32, "dense"),
        "60,000 x 784 standardised, 784-512-256-32": (rng.standard_normal((60_000, 784), np.float32), 32, "dense"),
    }
    for name, (rows, latents, structure) in kinds.items():
        _array(name, rows, latents, structure)


def _array(name: str, rows: Any, latents: int, structure: Any) -> None:
    estimator = Autoencoder(latents, structure=structure, epochs=1, random_state=0, verbose=False).fit(rows[:3000])
    encode, decode = bare(estimator.model_)
    tensors = estimator.model_.adapter.adapt(rows)
    one, row = tensors[:1], rows[:1]
    functions = {
        "ONNX Runtime, encode": lambda: encode(tensors),
        "Diabolo, encode": lambda: estimator.encode(rows),
        "ONNX Runtime, encode and decode": lambda: decode(encode(tensors)),
        "Diabolo, reconstruct": lambda: estimator.reconstruct(rows),
        "Diabolo, score": lambda: estimator.score_samples(rows),
    }
    show(name, median_seconds(functions, rounds=5))
    show("one row", median_seconds({"ONNX": lambda: encode(one), "Diabolo": lambda: estimator.encode(row)}, 5, 300))


def file() -> None:
    """A file of 2 GB, 200 columns, read in chunks."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.npy"
        whole = np.lib.format.open_memmap(path, "w+", np.float32, (2_500_000, 200))
        for start in range(0, len(whole), 100_000):
            whole[start : start + 100_000] = rng.standard_normal((100_000, 200), np.float32)
        estimator = Autoencoder(16, structure=[128, 64], epochs=1, random_state=0, verbose=False).fit(whole[:20_000])
        encode, decode = bare(estimator.model_)

        def chunks() -> Any:
            with path.open("rb") as source:
                source.seek(128)
                for _ in range(0, len(whole), 5_000):
                    yield np.fromfile(source, np.float32, 5_000 * 200).reshape(-1, 200)

        functions = {
            "read, ONNX Runtime encode": lambda: [encode(each) for each in chunks()],
            "Diabolo, encode": lambda: estimator.encode(path),
            "read, ONNX Runtime, both": lambda: [len(decode(encode(each))) for each in chunks()],
            "Diabolo, score": lambda: estimator.score_samples(path),
        }
        show("2 GB, 200-128-64-16", median_seconds(functions, rounds=3))


def with_keras() -> None:
    """One row and many of the digits, compared with Keras; cold processes."""
    digits = datasets.digits()
    estimator = Autoencoder(32, epochs=1, random_state=0).fit(digits.x_train[:2000])
    encoder, _ = split(estimator.to_keras())
    session, adapter = estimator.model_.runtime._encoder, estimator.model_.adapter
    one = digits.x_test[:1]
    tensor = adapter.adapt(one)
    show(
        "one row",
        median_seconds(
            {
                "Diabolo": lambda: estimator.encode(one),
                "ONNX Runtime, bare": lambda: session.run(["latent"], {"rows": tensor}),
                "Keras predict": lambda: encoder.predict(tensor, verbose=0),
            },
            rounds=5,
            calls=20,
        ),
    )
    many = np.resize(digits.x_train, (60_000, 28, 28))
    tensors = adapter.adapt(many)
    show(
        "60,000 rows",
        median_seconds(
            {
                "Diabolo, bytes": lambda: estimator.encode(many),
                "ONNX Runtime, bare, one batch": lambda: session.run(["latent"], {"rows": tensors}),
                "Keras predict, batch 32": lambda: encoder.predict(tensors, verbose=0),
                "Keras predict, batch 8192": lambda: encoder.predict(tensors, batch_size=8192, verbose=0),
            },
            rounds=5,
        ),
    )
    with tempfile.TemporaryDirectory() as folder:
        model = estimator.save(Path(folder) / "model")
        np.save(Path(folder) / "row.npy", one)

        def process(*arguments: str) -> Callable[[], Any]:
            return lambda: subprocess.run(
                [sys.executable, *arguments], cwd=folder, check=True, capture_output=True, text=True
            )

        encode = process("-m", "diabolo", "encode", str(model), "row.npy", "-o", "z.npy", "--force")
        cold = {"diabolo encode, one row": encode, "import tensorflow": process("-c", "import tensorflow")}
        show("a cold process", median_seconds(cold, 5))
        light = {
            "diabolo --help": process("-m", "diabolo", "--help"),
            "import diabolo": process("-c", "import diabolo"),
        }
        show("a light process", median_seconds(light, 5))


def main() -> None:
    parts = {"arrays": arrays, "file": file, "keras": with_keras}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", choices=parts, default=list(parts))
    for each in parser.parse_args().only:
        parts[each]()


if __name__ == "__main__":
    main()

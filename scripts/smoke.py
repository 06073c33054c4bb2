"""Use each part of the installed Diabolo once, as a user would: scripts/oldest.sh runs this in an empty folder.

It takes a few minutes. What the parts compute is tested under tests/; here they only have to work together with the
installed versions of the dependencies, so the checks are coarse. Order: the command line, then Python.
"""

import subprocess
import sys
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
from pyarrow import csv, parquet

import diabolo
from diabolo import AnomalyDetector, Autoencoder


def main() -> None:
    """Run all checks; the first that fails ends this with its traceback."""
    digits()
    mixed_table()
    searching()
    in_python()
    a_keras_model()
    print(f"Diabolo {diabolo.__version__} works on Python {sys.version.split()[0]} with these versions.")


def command(*arguments: str) -> str:
    """Run a command, show it, and return what it prints."""
    print("diabolo", *arguments, flush=True)
    done = subprocess.run([sys.executable, "-m", "diabolo", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def digits() -> None:
    """Images: dense and convolutional networks, both ways, scores, pictures, the file."""
    command("--help")
    command("fit", "--help")
    command("fit", "digits", "--epochs", "3", "--latent", "16", "--random-state", "0")
    command("encode", "digits.safetensors", "digits:test")
    command("decode", "digits.safetensors", "digits-test-latents.npy")
    command("reconstruct", "digits.safetensors", "digits:test")
    command("score", "digits.safetensors", "digits:test")
    command("info", "digits.safetensors")
    command("verify", "digits.safetensors")
    command("advise", "digits")
    assert np.load("digits-test-latents.npy").shape == (1000, 16)
    assert np.load("digits-test-latents-decoded.npy").shape == (1000, 28, 28)
    assert np.isfinite(np.load("digits-test-scores.npy")).all()
    assert all(Path(f"digits-{name}.png").stat().st_size for name in ("training", "reconstructions"))


def table(rows: int = 400) -> pa.Table:
    """Return columns of numbers, counts, booleans, categories and dates that depend on each other, with gaps."""
    rng = np.random.default_rng(0)
    size = rng.normal(size=rows)
    kind = np.where(size > 0, "large", "small")
    return pa.table(
        {
            "weight": pa.array(np.where(rng.random(rows) < 0.05, None, np.round(20 + 5 * size, 3))),
            "visits": rng.poisson(np.exp(size)),
            "member": size > 0.5,
            "kind": kind,
            "since": (np.datetime64("2020-01-01") + (100 * size).astype(int)).astype("datetime64[D]"),
        }
    )


def mixed_table() -> None:
    """A table of five kinds of columns, as CSV, as Parquet and through SQL."""
    parquet.write_table(table(), "customers.parquet")
    csv.write_csv(table(), "customers.csv")
    command("schema", "customers.csv")
    command("fit", "customers.csv", "--epochs", "3", "--latent", "3")
    command("encode", "customers.safetensors", "customers.parquet", "-o", "latents.csv")
    command("decode", "customers.safetensors", "latents.csv", "-o", "back.csv")
    command("reconstruct", "customers.safetensors", "customers.csv", "--fill", "-o", "filled.parquet")
    command("score", "customers.csv", "--top", "3", "--save", "detector")
    command("score", "detector.safetensors", "customers.parquet", "-o", "scores.npy")
    command("verify", "customers.safetensors")
    with duckdb.connect("customers.duckdb") as database:
        database.execute("CREATE TABLE customers AS SELECT * FROM 'customers.parquet'")
    query = "SELECT * FROM customers WHERE visits > 0"
    command("encode", "customers.safetensors", "customers.duckdb", "--query", query, "-o", "some.npy")
    assert parquet.read_table("filled.parquet").column_names == table().column_names
    assert parquet.read_table("filled.parquet")["weight"].null_count == 0
    assert len(np.load("scores.npy")) == 400


def searching() -> None:
    """A search of two trials, and the finder of a learning rate."""
    rng = np.random.default_rng(0)
    np.save("rows.npy", rng.normal(size=(300, 3)) @ rng.normal(size=(3, 8)))
    command("search", "rows.npy", "--trials", "2", "--epochs", "3")
    command("rates", "rows.npy")
    command("sizes", "rows.npy", "--sizes", "1,3", "--epochs", "2")
    assert Path("rows-search").is_dir()


def in_python() -> None:
    """The estimators: layers of each kind, frames, gaps, the file, the detector."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (80, 8, 8), dtype=np.uint8)
    series = rng.normal(size=(60, 12, 2))
    print("Autoencoder", flush=True)
    for structure, rows in (
        ("conv 8", images),
        ("pool 8", images),
        ("attention 8x1", images),
        ("residual 16x1", series.reshape(60, -1)),
        ("lstm 8", series),
        ("gru 8", series),
        ("conv1d 8", series),
    ):
        model = Autoencoder(3, structure=structure, series=rows is series, epochs=1, random_state=0, verbose=1)
        path = model.fit(rows).save(structure.split()[0])
        np.testing.assert_allclose(diabolo.load(path).encode(rows), model.encode(rows), rtol=1e-3, atol=1e-3)
        assert model.reconstruct(rows).shape == rows.shape
    for bottleneck in ("gaussian", "ordered", "quantized"):
        Autoencoder(3, bottleneck=bottleneck, epochs=1, verbose=0).fit(images)
    frame = table()
    model = Autoencoder(3, optimizer="auto", epochs=2, verbose=2).fit(frame)
    assert model.reconstruct(frame).column_names == frame.column_names
    print("AnomalyDetector", flush=True)
    detector = AnomalyDetector(random_state=0).fit(frame)
    assert (detector.predict(frame) == -1).sum() == len(frame) // 10
    detector.explain(frame.slice(0, 3))


def a_keras_model() -> None:
    """`split`, `evaluate` and `training.fit` on a model made with Keras alone."""
    import keras

    print("a Keras model", flush=True)
    rows = np.random.default_rng(0).random((100, 6), dtype=np.float32)
    layers = [keras.Input((6,)), keras.layers.Dense(2, name="code"), keras.layers.Dense(6)]
    model = keras.Sequential(layers)
    model.compile("adam", "mse", metrics=["mae"])
    history = diabolo.training.fit(model, rows, epochs=2, validation_split=0.2, verbose=1).history
    assert set(history) == {"loss", "mae", "val_loss", "val_mae"}
    encoder, decoder = diabolo.split(model, at="code")
    np.testing.assert_allclose(decoder(encoder(rows)), model(rows), atol=1e-5)


if __name__ == "__main__":
    main()

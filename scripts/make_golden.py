"""Makes the model files of tests/golden for the present format version: `python scripts/make_golden.py`.

A format version gets its files when it is released, and keeps them for good: tests/test_golden.py reads all there are,
and holds what they give against what they gave when they were written. Files that exist are not written again.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa

from diabolo import AnomalyDetector, Autoencoder, windows
from diabolo.model.file.upgrade import FORMAT_VERSION

FOLDER = Path(__file__).parents[1] / "tests" / "golden"
SETTINGS = {"epochs": 2, "random_state": 0, "verbose": False}


def main() -> None:
    """Write a model and what it gives, for each kind of rows."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (60, 6, 5), dtype=np.uint8)
    numbers = rng.normal(size=(60, 3)) @ rng.normal(size=(3, 6))
    gaps = np.where(rng.random(numbers.shape) < 0.1, np.nan, numbers)
    detector = AnomalyDetector(Autoencoder(2, structure=[8], **SETTINGS)).fit(numbers)
    log = pa.table({"when": np.arange(60), "amp": rng.normal(size=60), "volt": rng.normal(size=60)})
    cut = windows(log, time="when", window=5, step=2)
    made = {
        "images": (Autoencoder(3, structure="conv 4", bottleneck="gaussian", **SETTINGS).fit(images), images),
        "gaps": (Autoencoder(2, structure=[8], **SETTINGS).fit(gaps), gaps),
        "series": (Autoencoder(2, structure="gru 4", series=True, **SETTINGS).fit(rng.normal(size=(40, 5, 2))), None),
        "windows": (Autoencoder(2, structure=[8], **SETTINGS).fit(cut), cut.rows),
        "detector-views": (detector, numbers),
    }
    FOLDER.mkdir(exist_ok=True)
    for name, (model, rows) in made.items():
        path = FOLDER / f"{name}-v{FORMAT_VERSION}.safetensors"
        if path.exists():
            continue
        rows = rng.normal(size=(4, 5, 2)) if rows is None else rows[:5]
        found = {"rows": rows, "scores": model.score_samples(rows)}
        if isinstance(model, Autoencoder):
            found |= {"latents": model.encode(rows), "reconstructions": model.reconstruct(rows)}
        else:
            found["probabilities"] = model.probability(rows)
        model.save(path)
        np.savez_compressed(path.with_suffix(".npz"), **found)


if __name__ == "__main__":
    main()

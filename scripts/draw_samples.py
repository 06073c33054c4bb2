"""Draw docs/images/samples.png: digits drawn from a variational network, and two ways between digits.

`python scripts/draw_samples.py` trains for about a minute.
"""

from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from diabolo import Autoencoder, datasets

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "samples.png"
STEPS = 10


def main() -> None:
    """Train, and draw the picture."""
    digits = datasets.digits()
    model = Autoencoder(8, bottleneck="gaussian", epochs=60, random_state=0, verbose=False).fit(digits.x_train)
    test = digits.x_test
    lines = {
        "sample(10)": model.sample(STEPS, random_state=0),
        "interpolate, 2 to 6": model.interpolate(test[0], test[1], steps=STEPS),
        "traverse, latent 3": model.traverse(test[0], 3, values=np.linspace(-2, 2, STEPS)),
    }
    figure, axes = plt.subplots(len(lines), 1, figsize=(8, 2.9), dpi=110)
    for axis, (words, rows) in zip(axes, lines.items(), strict=True):
        axis.imshow(np.concatenate(list(rows), axis=1), cmap="gray_r")
        axis.set_title(words, fontsize=9, loc="left", pad=3)
        axis.set_axis_off()
    figure.tight_layout(pad=0.3)
    figure.savefig(PICTURE)


if __name__ == "__main__":
    main()

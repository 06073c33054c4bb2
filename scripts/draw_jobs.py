"""Draw the chart of whole jobs in the README from `benchmarks/jobs.json`: `python scripts/draw_jobs.py`.

`python -m benchmarks.jobs --keep benchmarks/jobs.json` measures them. The lower bound of the network is the number of
floating-point operations of its training steps, at the speed that the fastest large product reaches on the same two
cores (`--product`, in GFLOP/s, as `python -m benchmarks.products` prints it).
"""

import argparse
import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

ROOT = Path(__file__).parents[1]
NAMES = {
    "diabolo": "Diabolo",
    "tuned": "Keras, tuned",
    "keras": "Keras, default",
    "pytorch": "PyTorch",
    "sklearn": "scikit-learn",
    "forest": "IsolationForest",
    "pyod": "PyOD AutoEncoder",
}
TITLES = {
    "table": "Table of 1,000 x 20, 50 epochs",
    "mnist": "MNIST, 784-128, 10 epochs",
    "conv": "Convolutions, 10,000 digits, 3 epochs",
    "lstm": "LSTM, 5,000 series, 5 epochs",
}
BLUE, GREY = "#1f5fa8", "#b8bcc2"


def lower_bound(product: float) -> float:
    """Return the seconds of the products of the MNIST job. Args: product: GFLOP/s."""
    steps = 10 * -(-54_000 // 64)
    # Two products forward; two for the gradients of the weights, and one for that of the latents.
    return steps * 5 * 2 * 64 * 784 * 128 / (product * 1e9)


def main() -> None:
    """Draw the chart."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--product", type=float, required=True)
    product = parser.parse_args().product
    measured = json.loads((ROOT / "benchmarks" / "jobs.json").read_text())
    figure, axes = plt.subplots(2, 2, figsize=(9, 4.8), layout="constrained", height_ratios=(5, 3.4))
    for place, (job, title) in zip(axes.flat, TITLES.items(), strict=True):
        found = {NAMES[peer]: each["wall"] for peer, each in measured[job].items() if peer in NAMES}
        if job == "mnist":
            found["lower bound"] = lower_bound(product)
        names = sorted(found, key=lambda name: (name == "lower bound", found[name]))
        colours = [BLUE if name == "Diabolo" else "white" if name == "lower bound" else GREY for name in names]
        bars = place.barh(names, [found[name] for name in names], color=colours, edgecolor=GREY, height=0.7)
        place.bar_label(bars, fmt="%.1f", padding=4, fontsize=9)
        place.invert_yaxis()
        place.set_title(title, fontsize=10, loc="left")
        place.set_xlim(0, 1.14 * max(found.values()))
        place.set_xticks([])
        place.tick_params(axis="y", length=0, labelsize=9)
        for side in ("top", "right", "bottom", "left"):
            place.spines[side].set_visible(False)
    figure.suptitle(
        "Seconds of a whole job, from the start of the process to the model file", fontsize=11, x=0.01, ha="left"
    )
    figure.savefig(ROOT / "docs" / "images" / "jobs.png", dpi=120)


if __name__ == "__main__":
    main()

"""Draw how right the probabilities of anomalies are, from the tables of ADBench: `python scripts/draw_reliability.py`.

DIABOLO_DATA must hold `anomaly/*.npz`. The two protocols are those of `python -m benchmarks.anomaly`, with seed 0.
Each table has the same weight. Some three minutes.
"""

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.anomaly import PROTOCOLS, divide, tables  # noqa: E402

from diabolo import AnomalyDetector  # noqa: E402
from diabolo.anomaly import scoring  # noqa: E402

PICTURE = ROOT / "docs" / "images" / "anomaly-probabilities.png"
EDGES = np.array([0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0001])
BLUE, ORANGE, GREY = "#1f5fa8", "#d9822b", "#8a8f98"
LINES = {"the default contamination, 0.1": BLUE, "contamination = the share of anomalies": ORANGE}


def main() -> None:
    """Draw the picture, and print the numbers in it."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 4.2), layout="constrained", sharey=True)
    for place, protocol in zip(axes, PROTOCOLS, strict=True):
        stated = {line: [] for line in LINES}
        truth, weights = [], []
        for name, rows, labels in tables():
            train, scored, odd = divide(name, rows, labels, 0, protocol)
            detector = AnomalyDetector(random_state=0, verbose=False).fit(train)
            scores, detection = -detector.score_samples(scored), detector.model.detection
            for line, share in zip(LINES, (0.1, min(0.5, odd.mean())), strict=True):
                stated[line].append(scoring.probability(detection._replace(contamination=float(share)), scores))
            truth.append(odd)
            weights.append(np.full(len(odd), 1 / len(odd)))
        odd, weight = np.concatenate(truth), np.concatenate(weights)
        place.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle="--", label="perfectly calibrated")
        for line, colour in LINES.items():
            found = np.concatenate(stated[line])
            bins = np.digitize(found, EDGES) - 1
            parts = [(bins == at) for at in range(len(EDGES) - 1)]
            x = [np.average(found[part], weights=weight[part]) for part in parts if part.any()]
            y = [np.average(odd[part], weights=weight[part]) for part in parts if part.any()]
            sizes = [300 * weight[part].sum() / weight.sum() + 12 for part in parts if part.any()]
            place.plot(x, y, color=colour, linewidth=1.5, label=line)
            place.scatter(x, y, sizes, color=colour)
            print(protocol, line, np.round(x, 2).tolist(), np.round(y, 2).tolist())
        place.set_title(f"trained on {protocol}", fontsize=10, loc="left")
        place.set_xlabel("stated probability")
        place.set_xlim(0, 1)
        place.set_ylim(0, 1)
    axes[0].set_ylabel("share of anomalies")
    axes[0].legend(frameon=False, fontsize=9, loc="upper left")
    figure.savefig(PICTURE, dpi=110)


if __name__ == "__main__":
    main()

"""Seconds an epoch of every peer, side by side: `python -m benchmarks.training`.

Each peer runs in a process of its own, all of them in turn, several rounds; a round gives the median of its epochs
without the first (which compiles), and a ratio is taken within its round. On a shared machine only ratios mean
anything. `python -m benchmarks.environment FOLDER` makes the environment that the peers need.
"""

import argparse
import statistics
from typing import NamedTuple

from benchmarks import task

PEERS = {
    "diabolo": "Diabolo",
    "keras_fit": "Keras fit, default settings",
    "keras_steps": "Keras fit, steps_per_execution=100, XLA",
    "session": "TensorFlow 1 session loop",
    "pytorch": "PyTorch by hand",
    "sklearn": "scikit-learn MLPRegressor",
    "jax_scan": "JAX lax.scan by hand",
    "pyod": "PyOD AutoEncoder",
    "pythae": "Pythae AE",
    "floor": "the matrix products alone,\nin NumPy or PyTorch",
}


class Result(NamedTuple):
    """One peer, medians over the rounds."""

    peer: str
    seconds: float
    ratio: float  # its seconds over Diabolo's, within a round


def run(peer: str, arguments: list[str]) -> float:
    """Return the median seconds of an epoch of one peer, the first epoch left out."""
    return statistics.median(task.run("benchmarks.task", peer, *arguments)["laps"][1:])


def table(results: list[Result]) -> str:
    """Return the results as a Markdown table."""
    lines = ["| | seconds per epoch | relative to Diabolo |", "|---|---|---|"]
    names = {peer: name.replace("\n", " ") for peer, name in PEERS.items()}
    lines += [f"| {names[each.peer]} | {each.seconds:.2f} | {each.ratio:.2f} |" for each in results]
    return "\n".join(lines)


def draw(results: list[Result], path: str) -> None:
    """Draw the ratios as bars."""
    from matplotlib.figure import Figure

    results = results[::-1]
    figure = Figure(figsize=(8, 0.38 * len(results) + 0.9), dpi=130, layout="constrained")
    axes = figure.add_subplot()
    colours = {"diabolo": "#0072B2", "floor": "#dddddd"}  # the products are a yardstick, not a peer
    bars = axes.barh(
        [PEERS[each.peer] for each in results],
        [each.ratio for each in results],
        color=[colours.get(each.peer, "#999999") for each in results],
    )
    axes.bar_label(bars, [f"{each.ratio:.2g}" for each in results], padding=4, fontsize=9)
    axes.set_xlabel("time of an epoch, relative to Diabolo")
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.08)
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers", default=",".join(PEERS), help="comma-separated; diabolo is always run")
    parser.add_argument("--picture", help="PNG to draw the ratios into")
    settings, arguments = parser.parse_known_args()
    peers = ["diabolo", *(peer for peer in settings.peers.split(",") if peer != "diabolo")]
    rounds = []
    for number in range(settings.rounds):
        rounds.append({peer: run(peer, arguments) for peer in peers})
        print(f"round {number + 1}:", {peer: round(seconds, 3) for peer, seconds in rounds[-1].items()}, flush=True)
    results = [
        Result(
            peer,
            statistics.median(each[peer] for each in rounds),
            statistics.median(each[peer] / each["diabolo"] for each in rounds),
        )
        for peer in peers
    ]
    results.sort(key=lambda each: each.ratio)
    print(table(results))
    if settings.picture:
        draw(results, settings.picture)


if __name__ == "__main__":
    main()

"""Seconds an epoch of every peer, side by side: `python -m benchmarks.training`.

Each peer runs in a process of its own, all of them in turn, several rounds; a round gives the median of its epochs
without the first (which compiles), and a ratio is taken within its round. On a shared machine only ratios mean
anything.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys

PEERS = (
    "diabolo",
    "keras_fit",
    "keras_steps",
    "session",
    "pytorch",
    "sklearn",
    "jax_scan",
    "pyod",
    "pythae",
    "floor",
)


def run(peer: str, arguments: list[str]) -> float:
    """Return the median seconds of an epoch of one peer, the first epoch left out."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.task", peer, *arguments],
        capture_output=True,
        text=True,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{peer} failed:\n{done.stderr[-2000:]}")
    return statistics.median(json.loads(done.stdout.splitlines()[-1])["laps"][1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers", default=",".join(PEERS), help="comma-separated; diabolo is always run")
    settings, arguments = parser.parse_known_args()
    peers = ["diabolo", *(peer for peer in settings.peers.split(",") if peer != "diabolo")]
    rounds = []
    for number in range(settings.rounds):
        rounds.append({peer: run(peer, arguments) for peer in peers})
        print(f"round {number + 1}:", {peer: round(seconds, 3) for peer, seconds in rounds[-1].items()}, flush=True)
    print(f"{'peer':16}{'s an epoch':>12}{'times as long':>16}")
    for peer in peers:
        seconds = statistics.median(each[peer] for each in rounds)
        ratio = statistics.median(each[peer] / each["diabolo"] for each in rounds)
        print(f"{peer:16}{seconds:>12.3f}{ratio:>16.2f}")


if __name__ == "__main__":
    main()

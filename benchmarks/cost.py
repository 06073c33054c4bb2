"""How the time of an epoch grows with rows, features, latents, depth and batch: `python -m benchmarks.cost`.

One thing is changed at a time, from 784-128-784 on 20,000 rows in batches of 64. Diabolo and Keras `fit` in turn, each
in a process of its own, medians of several rounds.
"""

import argparse
import statistics

from benchmarks.training import run

START = {"sizes": "784-128", "rows": 20_000, "batch-size": 64}
CHANGES: dict[str, list[dict[str, object]]] = {
    "rows": [{"rows": rows} for rows in (1_000, 5_000, 20_000, 80_000)],
    "features": [{"sizes": f"{features}-128"} for features in (50, 200, 784)],
    "latents": [{"sizes": f"784-{latents}"} for latents in (2, 32, 128, 512)],
    "depth": [{"sizes": sizes} for sizes in ("784-128", "784-256-128", "784-512-256-128", "784-512-256-256-256-128")],
    "batch": [{"batch-size": size} for size in (16, 64, 256, 1024)],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=CHANGES, nargs="*", default=list(CHANGES))
    settings = parser.parse_args()
    print("| changed | | Diabolo, seconds an epoch | Keras fit | times as long |\n|---|---|---|---|---|")
    for what in settings.only:
        for change in CHANGES[what]:
            arguments = [f"--{name}={value}" for name, value in (START | change).items()]
            rounds = [{peer: run(peer, arguments) for peer in ("diabolo", "keras_fit")} for _ in range(settings.rounds)]
            ours, theirs = (statistics.median(each[peer] for each in rounds) for peer in ("diabolo", "keras_fit"))
            ratio = statistics.median(each["keras_fit"] / each["diabolo"] for each in rounds)
            print(f"| {what} | {next(iter(change.values()))} | {ours:.3g} | {theirs:.3g} | {ratio:.1f} |", flush=True)


if __name__ == "__main__":
    main()

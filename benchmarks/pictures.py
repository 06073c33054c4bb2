"""`diabolo encode` of a folder of pictures beside Pillow, which only decodes them: `python -m benchmarks.pictures`.

Makes a folder of JPEGs in colour and a small model of them. Each round encodes the folder, and decodes it with Pillow
on one core, each in a process of its own. Says pictures and megabytes of files a second, from the start of the command
to the written latents, and the peak of memory of the process.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.streaming import peak
from benchmarks.task import run

SIDE, FOLDERS = 128, 10


def make(folder: Path, count: int) -> None:
    """Write JPEGs of smooth random colours with some noise, in subfolders."""
    from PIL import Image

    rng = np.random.default_rng(0)
    for at in range(count):
        coarse = Image.fromarray(rng.integers(0, 255, (8, 8, 3), np.uint8)).resize(
            (SIDE, SIDE), Image.Resampling.BICUBIC
        )
        noisy = np.asarray(coarse, np.int16) + rng.integers(-12, 13, (SIDE, SIDE, 3), np.int16)
        path = folder / f"class{at % FOLDERS}" / f"{at:06d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).save(path, quality=85)


def train(folder: Path, model: Path) -> None:
    """Save a small model of some of the pictures."""
    from diabolo import Autoencoder

    some = sorted(folder.rglob("*.jpg"))[:500]
    Autoencoder(16, structure=[32], epochs=1, random_state=0, verbose=False).fit(some).save(model)


def encode(folder: str, model: str) -> None:
    """Encode the folder as the command does."""
    from diabolo.cli.rows import write_rows

    with tempfile.TemporaryDirectory() as out:
        write_rows(
            Path(model),
            folder,
            lambda trained: trained.encode,
            output=Path(out) / "latents.npy",
            ending="latents",
            name="latent",
            force=False,
        )


def decode_alone(folder: str) -> None:
    """Decode each picture with Pillow, one after the other."""
    from PIL import Image

    for path in sorted(Path(folder).rglob("*.jpg")):
        with Image.open(path) as picture:
            np.asarray(picture)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--make", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--encode", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--decode", help=argparse.SUPPRESS)
    settings = parser.parse_args()
    if settings.make:
        make(Path(settings.make[0]), settings.pictures)
        train(Path(settings.make[0]), Path(settings.make[1]))
        print("{}")
        return
    if settings.encode or settings.decode:
        started = time.perf_counter()
        encode(*settings.encode) if settings.encode else decode_alone(settings.decode)
        spent = {"seconds": time.perf_counter() - started, "cpu": time.process_time()}
        print(json.dumps(spent | {"peak": peak() / 1e9}))
        return
    with tempfile.TemporaryDirectory() as place:
        folder, model = str(Path(place) / "pictures"), str(Path(place) / "model.safetensors")
        run("benchmarks.pictures", "--pictures", str(settings.pictures), "--make", folder, model)
        size = sum(path.stat().st_size for path in Path(folder).rglob("*.jpg")) / 1e6
        pixels = settings.pictures * SIDE * SIDE * 3 / 1e6
        print(f"{settings.pictures:,} JPEGs of {SIDE} x {SIDE}, {size:.0f} MB, {pixels:.0f} MB decoded", flush=True)
        rounds = []
        for _ in range(settings.rounds):
            rounds.append(
                [run("benchmarks.pictures", "--encode", folder, model), run("benchmarks.pictures", "--decode", folder)]
            )
            print(json.dumps(rounds[-1]), flush=True)
    for place, name in enumerate(("diabolo encode", "Pillow alone, one core")):
        seconds = statistics.median(each[place]["seconds"] for each in rounds)
        most = max(each[place]["peak"] for each in rounds)
        cores = statistics.median(each[place]["cpu"] for each in rounds)
        print(
            f"{name}: {seconds:.1f} s, {cores:.1f} s of a core, {settings.pictures / seconds:,.0f} pictures, "
            f"{size / seconds:.0f} MB of files and {pixels / seconds:.0f} MB of pixels a second, peak {most:.2f} GB"
        )
    print(
        f"median of the ratios: {statistics.median(ours['seconds'] / theirs['seconds'] for ours, theirs in rounds):.2f}"
    )


if __name__ == "__main__":
    main()

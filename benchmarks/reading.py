"""How fast files are read and encoded, and in how much memory: `python -m benchmarks.reading`.

Two CSV files, one of mixed columns and one of numbers, are read by Diabolo and by pyarrow.csv, each in a process of its
own, in turn, several rounds: pyarrow.csv alone, then with Diabolo's adapting of the Arrow table to numbers, then with
the least that adapting can be, in NumPy. Then a .npy file, a folder of pictures and the CSV file of mixed columns go
through `diabolo encode`: megabytes a second, and the peak of memory, also for a hundredth of the same data, so that the
difference is what the size of the data costs.

Smaller sizes for a first try: `--csv-megabytes 100 --npy-megabytes 200 --pictures 1000`. `--streamed` alone: the
peak of memory when a file of each format is read in chunks, above that of a file of a hundred rows; it is not to pass
two chunks, and for Parquet two pages of each column, which pyarrow holds packed and unpacked.

Order: the files, the readers, encoding, formats in chunks, the run.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.streaming import peak
from benchmarks.task import run

ROWS_AT_ONCE = 200_000
MOST = 1.2  # times pyarrow.csv plus adapting
SIDE = 64  # of a picture, in pixels


# The files.


def write_csv(path: Path, megabytes: float, *, mixed: bool) -> None:
    """Write a CSV file of about so many 10^6 bytes; mixed: with gaps, whole numbers, dates, categories, booleans."""
    import pyarrow as pa
    from pyarrow import csv

    rng, towns = np.random.default_rng(0), np.array([f"town-{at}" for at in range(50)])

    def table(rows: int) -> Any:
        numbers = {f"number_{at}": rng.normal(size=rows).round(6) for at in range(10 if mixed else 20)}
        if not mixed:
            return pa.table(numbers)
        gaps = {f"gaps_{at}": pa.array(rng.normal(size=rows).round(4), mask=rng.random(rows) < 0.1) for at in range(3)}
        days = np.datetime64("2020-01-01", "s") + rng.integers(0, 10**8, rows).astype("timedelta64[s]")
        return pa.table(
            {
                **numbers,
                **gaps,
                **{f"count_{at}": rng.integers(0, 10_000, rows) for at in range(4)},
                "town": rng.choice(towns, rows),
                "class": rng.choice(np.array(["a", "b", "c"]), rows),
                "paid": rng.random(rows) < 0.3,
                "when": pa.array(days),
            }
        )

    first = table(ROWS_AT_ONCE)
    with csv.CSVWriter(path, first.schema) as writer:
        writer.write_table(first.slice(0, 1000))
        writer.write_table(first.slice(1000))
        while path.stat().st_size < megabytes * 1e6 - 20e6:
            writer.write_table(table(ROWS_AT_ONCE))
    _cut(path, int(megabytes * 1e6))


def _cut(path: Path, size: int) -> None:
    """Cut a file of texts after the last whole line within a size."""
    if path.stat().st_size <= size:
        return
    with path.open("r+b") as file:
        file.seek(size - 10_000)
        file.truncate(size - 10_000 + file.read(10_000).rindex(b"\n") + 1)


def write_npy(path: Path, megabytes: float) -> None:
    """Write a .npy file of about so many 10^6 bytes of float32, 100 columns."""
    rows = int(megabytes * 1e6 / 400)
    array = np.lib.format.open_memmap(path, "w+", np.float32, (rows, 100))
    rng = np.random.default_rng(0)
    for start in range(0, rows, ROWS_AT_ONCE):
        array[start : start + ROWS_AT_ONCE] = rng.normal(size=(min(ROWS_AT_ONCE, rows - start), 100))
    array.flush()


def write_pictures(folder: Path, count: int) -> None:
    """Write PNG files of noise over a slope."""
    from PIL import Image

    rng, slope = np.random.default_rng(0), np.linspace(0, 200, SIDE)[:, None, None]
    folder.mkdir()
    for at in range(count):
        pixels = slope + rng.integers(0, 55, (SIDE, SIDE, 3))
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{at:05}.png")


# The readers: each takes a path, and returns the rows as numbers.


def by_diabolo(path: str) -> Any:
    """Read as `fit` does."""
    from diabolo.data.opening import open_source

    return open_source(path).rows


def by_pyarrow(path: str) -> Any:
    """Read into an Arrow table, which holds no numbers for texts."""
    from pyarrow import csv

    return csv.read_csv(path)


def by_pyarrow_and_adapting(path: str) -> Any:
    """Read by pyarrow, and let Diabolo make numbers of the Arrow table."""
    from diabolo.data.opening import open_source

    return open_source(by_pyarrow(path)).rows


def by_pyarrow_and_numpy(path: str) -> Any:
    """Read by pyarrow, and make numbers without any check."""
    import pyarrow as pa

    table = by_pyarrow(path)
    rows = np.empty((table.num_rows, table.num_columns))
    for at, column in enumerate(table.columns):
        if pa.types.is_string(column.type):
            column = column.combine_chunks().dictionary_encode().indices
        elif pa.types.is_timestamp(column.type):
            column = column.cast(pa.int64())
        rows[:, at] = column.cast(pa.float64()).to_numpy()
    return rows


READERS: dict[str, Callable[[str], Any]] = {
    "Diabolo": by_diabolo,
    "pyarrow.csv": by_pyarrow,
    "pyarrow.csv and Diabolo's adapting": by_pyarrow_and_adapting,
    "pyarrow.csv and NumPy": by_pyarrow_and_numpy,
}


def read(reader: str, path: str) -> None:
    """Read once and print seconds and the peak of memory as JSON; what a reader imports is imported before."""
    tiny = Path(path).with_suffix(".tiny.csv")
    READERS[reader](str(tiny))
    started = time.perf_counter()
    rows = READERS[reader](path)
    print(json.dumps({"seconds": time.perf_counter() - started, "peak": peak() / 1e6, "rows": len(rows)}))


def compare(path: Path, rounds: int) -> bool:
    """Print the seconds of each reader; return whether Diabolo's are near those of pyarrow.csv with adapting."""
    with path.open("rb") as file, path.with_suffix(".tiny.csv").open("wb") as tiny:
        tiny.writelines(file.readline() for _ in range(1000))
    megabytes = path.stat().st_size / 1e6
    print(f"{path.name}: {megabytes:.0f} MB")
    results: dict[str, list[dict[str, float]]] = {name: [] for name in READERS}
    for _ in range(rounds):
        for name, found in results.items():
            found.append(run("benchmarks.reading", "--read", name, str(path)))
    ratios = {}
    for name, found in results.items():
        ratios[name] = statistics.median(
            ours["seconds"] / theirs["seconds"] for ours, theirs in zip(results["Diabolo"], found, strict=True)
        )
        seconds = statistics.median(each["seconds"] for each in found)
        most = max(each["peak"] for each in found)
        print(f"  {name}: {seconds:.2f} s, {megabytes / seconds:.0f} MB/s, peak {most:.0f} MB")
    if len({each["rows"] for found in results.values() for each in found}) > 1:
        print("  not the same count of rows")
        return False
    for name in list(READERS)[1:]:
        print(f"  Diabolo takes {ratios[name]:.2f} times as long as {name}")
    return ratios["pyarrow.csv and Diabolo's adapting"] <= MOST


# Encoding.


def encode(model: str, data: str, latents: str) -> None:
    """Run `diabolo encode` and print seconds and the peak of memory as JSON."""
    from diabolo.cli import main as command_line

    sys.argv = ["diabolo", "encode", model, data, "-o", latents, "--force"]
    started = time.perf_counter()
    try:
        command_line()
    except SystemExit as end:
        if end.code:
            raise
    print(json.dumps({"seconds": time.perf_counter() - started, "peak": peak() / 1e6}))


def train(data: str, model: str) -> None:
    """Fit a small model and save it."""
    from diabolo import Autoencoder

    Autoencoder(8, structure=[32], epochs=1, random_state=0, verbose=False).fit(data).save(model, force=True)
    print("{}")


def throughput(name: str, data: Path, part: Path, size: int, count: str) -> None:
    """Print how fast data is encoded and in how much memory, by a model fitted to a part of it."""
    model, latents = (str(part.with_name(f"{part.stem}{end}")) for end in ("-model.safetensors", "-latents.npy"))
    run("benchmarks.reading", "--train", str(part), model)
    small = run("benchmarks.reading", "--encode", model, str(part), latents)
    whole = run("benchmarks.reading", "--encode", model, str(data), latents)
    seconds = whole["seconds"]
    print(
        f"encode {name}, {size / 1e6:.0f} MB, {count}: {seconds:.1f} s, {size / 1e6 / seconds:.0f} MB/s, peak "
        f"{whole['peak']:.0f} MB; of a hundredth of it {small['peak']:.0f} MB",
        flush=True,
    )


def encodings(work: Path, table: Path, npy_megabytes: float, pictures: int) -> None:
    """Print a line for each kind of data."""
    array, part = work / "rows.npy", work / "part.npy"
    write_npy(array, npy_megabytes)
    rows = np.load(array, mmap_mode="r")
    np.save(part, rows[: max(100, len(rows) // 100)])
    throughput("a .npy file", array, part, array.stat().st_size, f"{len(rows):,} rows of 100")
    array.unlink()
    write_pictures(work / "pictures", pictures)
    write_pictures(work / "part", max(20, pictures // 100))
    size = sum(file.stat().st_size for file in (work / "pictures").iterdir())
    throughput(
        "a folder of pictures", work / "pictures", work / "part", size, f"{pictures:,} of {SIDE} x {SIDE} in colour"
    )
    few = work / "part.csv"
    write_csv(few, table.stat().st_size / 1e8, mixed=True)
    throughput("a CSV file", table, few, table.stat().st_size, "mixed columns")


# Formats in chunks.

STREAMED = (".csv", ".parquet", ".feather", ".jsonl", ".json", ".arff", ".npy", ".h5")
ROWS, COLUMNS = 400_000, 20
PAGE = 1.05  # megabytes of a page of Parquet, as most writers make them


def write_rows(path: Path, rows: int) -> None:
    """Write numbers and a category, or where a format has no categories numbers alone."""
    values = np.random.default_rng(0).normal(size=(rows, COLUMNS))
    names = [f"number_{at}" for at in range(COLUMNS)]
    if path.suffix == ".npy":
        np.save(path, values)
    elif path.suffix == ".h5":
        import h5py

        with h5py.File(path, "w") as file:
            file["rows"] = values
    elif path.suffix == ".arff":
        with path.open("w") as file:
            file.writelines(["@relation rows\n", *(f"@attribute {name} numeric\n" for name in names)])
            file.writelines(["@attribute town {Ulm,Bonn}\n", "@data\n"])
            file.writelines(",".join(map(str, row.tolist())) + ",Ulm\n" for row in values)
    else:
        import pyarrow as pa

        from diabolo.data.formats import format_of

        table = pa.table(dict(zip(names, values.T, strict=True)) | {"town": ["Ulm", "Bonn"] * (rows // 2)})
        with path.open("wb") as file:
            format_of(path).write((table.slice(start, 65_536) for start in range(0, rows, 65_536)), file)


def read_in_chunks(small: str, large: str) -> None:
    """Read two files in chunks; print the rows of the second, and the peak of memory above that of the first."""
    from diabolo.data.formats import BY_ENDING, format_of
    from diabolo.data.opening import open_rows
    from diabolo.data.readers.csv_form import Options
    from diabolo.data.streams import CHUNK_BYTES

    def rows(path: Path) -> int:
        size = CHUNK_BYTES // (8 * COLUMNS)
        if path.suffix in BY_ENDING:
            return sum(len(table) for table in format_of(path).tables(path, Options(), {}, size))
        stream = open_rows(path, 1)
        return sum(len(chunk) for chunk in stream.chunks(size))

    rows(Path(small))
    before = peak()
    count = rows(Path(large))
    print(json.dumps({"rows": count, "above": (peak() - before) / 1e6, "chunk": CHUNK_BYTES / 1e6}))


def streamed(work: Path) -> bool:
    """Print the peak of memory of each format; return whether all are within two chunks."""
    right = True
    for ending in STREAMED:
        small, large = work / f"few{ending}", work / f"rows{ending}"
        write_rows(small, 100)
        write_rows(large, ROWS)
        found = run("benchmarks.reading", "--chunks", str(small), str(large))
        size = large.stat().st_size / 1e6
        print(f"{ending}, {size:.0f} MB, {found['rows']:,} rows: {found['above']:.0f} MB above the start", flush=True)
        pages = 2 * COLUMNS * PAGE if ending == ".parquet" else 0
        right &= found["above"] <= 2 * found["chunk"] + pages
        large.unlink()
    return right


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--csv-megabytes", type=float, default=1000)
    parser.add_argument("--npy-megabytes", type=float, default=2000)
    parser.add_argument("--pictures", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", help="where to put the files; default: a temporary one")
    parser.add_argument("--without-encoding", action="store_true")
    parser.add_argument("--streamed", action="store_true", help="only the memory of formats in chunks")
    parser.add_argument("--chunks", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--read", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--train", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--encode", nargs=3, help=argparse.SUPPRESS)
    settings = parser.parse_args()
    steps = (settings.read, read), (settings.train, train), (settings.encode, encode), (settings.chunks, read_in_chunks)
    for step, work in steps:
        if step:
            work(*step)
            return
    with tempfile.TemporaryDirectory(dir=settings.folder) as folder:
        if settings.streamed:
            sys.exit(0 if streamed(Path(folder)) else 1)
        right = True
        for name in ("numbers", "mixed"):
            path = Path(folder) / f"{name}.csv"
            write_csv(path, settings.csv_megabytes, mixed=name == "mixed")
            right &= compare(path, settings.rounds)
        print(f"{'within' if right else 'NOT within'} {MOST} of pyarrow.csv and Diabolo's adapting", flush=True)
        if not settings.without_encoding:
            encodings(Path(folder), path, settings.npy_megabytes, settings.pictures)
    sys.exit(0 if right else 1)


if __name__ == "__main__":
    main()

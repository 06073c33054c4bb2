"""Does the same table mean the same in every format and in every library?"""

import logging
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.real_tables.commands import folder


def mixed(rows: int = 400) -> Any:
    """Return a table with columns of every kind, some cells missing, an id and free text."""
    import pandas as pd

    rng = np.random.default_rng(0)
    numbers = rng.normal(size=rows).round(3)
    numbers[::17] = np.nan
    return pd.DataFrame(
        {
            "id": np.arange(1000, 1000 + rows),
            "size": numbers,
            "items": rng.integers(0, 40, rows),
            "paid": rng.random(rows) < 0.3,
            "town": rng.choice(["Bern", "Chur", "Genf"], rows),
            "day": pd.Timestamp("2024-01-15") + pd.to_timedelta(rng.integers(0, 400, rows), "D"),
            "remark": [f"remark {at} of {rng.integers(9)}" for at in range(rows)],
        }
    )


def doors(frame: Any, work: Path) -> dict[str, Callable[[], object]]:
    """Return a function for each door, which puts the table there and returns what a user hands in."""
    import pandas as pd
    import pyarrow as pa
    from pyarrow import feather, parquet

    def arrow() -> Any:
        return pa.Table.from_pandas(frame, preserve_index=False)

    def csv_file() -> object:
        frame.to_csv(work / "table.csv", index=False)
        return str(work / "table.csv")

    def excel() -> object:
        with pd.ExcelWriter(work / "table.xlsx", engine="xlsxwriter") as writer:
            frame.to_excel(writer, index=False)
        return str(work / "table.xlsx")

    def parquet_file() -> object:
        parquet.write_table(arrow(), work / "table.parquet")
        return str(work / "table.parquet")

    def feather_file() -> object:
        feather.write_feather(arrow(), str(work / "table.feather"))
        return str(work / "table.feather")

    def json_lines() -> object:
        frame.to_json(work / "table.jsonl", orient="records", lines=True, date_format="iso")
        return str(work / "table.jsonl")

    def polars() -> object:
        import polars

        return polars.from_arrow(arrow())

    def duckdb() -> object:
        import duckdb as library

        return library.from_arrow(arrow())

    return {
        "CSV": csv_file,
        "Parquet": parquet_file,
        "xlsx": excel,
        "Feather": feather_file,
        "JSON lines": json_lines,
        "pandas": lambda: frame,
        "pandas.read_csv": lambda: pd.read_csv(csv_file()),
        "polars": polars,
        "pyarrow": arrow,
        "DuckDB": duckdb,
    }


def through_doors(names: Sequence[str]) -> bool:
    """Print each door through which a table means something else; return whether there is none."""
    import pandas as pd

    logging.disable()  # notes about columns that are left out

    right = True
    made = {"a table of every kind": mixed(), "the same without id and text": mixed().drop(columns=["id", "remark"])}
    for name in (*made, *names):
        frame = made[name] if name in made else pd.read_csv(folder() / name)
        with tempfile.TemporaryDirectory() as work:
            right &= _same_by_every_door(name, frame, Path(work))
    return right


def _same_by_every_door(name: str, frame: Any, work: Path) -> bool:
    from diabolo import Autoencoder
    from diabolo.data import memory
    from diabolo.data.opening import open_rows
    from diabolo.errors import DiaboloError

    every = doors(frame, work)
    try:
        model: Any = Autoencoder(epochs=1, random_state=0, verbose=False).fit(every["CSV"]())
    except DiaboloError as error:
        print(f"{name}: CSV: refused: {error}")
        return False
    expected = {each.name: _plain(each.kind) for each in model.model_.schema.columns}
    latents, right, passed = numbers(model.encode(every["CSV"]())), True, []
    for door, put in every.items():
        try:
            given = put()
            found: Any = open_rows(given, memory.limit(None))
            seen = {each.name: _plain(each.kind) for each in found.schema.columns}
            distance = float(np.abs(numbers(model.encode(put())) - latents).max())
            own: Any = Autoencoder(epochs=1, random_state=0, verbose=False).fit(put())
            apart = float(np.abs(numbers(own.encode(put())) - latents).max())
        except (DiaboloError, ImportError, TypeError, ValueError, AttributeError) as error:
            print(f"{name}: {door}: {type(error).__name__}: {str(error)[:300]}")
            right = False
            continue
        others = [f"{key} {kind}, not {expected.get(key)}" for key, kind in seen.items() if expected.get(key) != kind]
        others += [f"{key} left out, not {kind}" for key, kind in expected.items() if key not in seen]
        if others:
            print(f"{name}: {door}: {'; '.join(others)}")
        for how, by in (("of the model of the CSV file", distance), ("of a model of its own", apart)):
            if not by <= 1e-6:
                print(f"{name}: {door}: latents {how} differ by {by:.2g}")
        if others or not max(distance, apart) <= 1e-6:
            right = False
        else:
            passed.append(door)
    print(f"{name}: the same by {len(passed)} of {len(every)} doors: {', '.join(passed)}")
    return right


def numbers(latents: Any) -> Any:
    """Return latents as an array; in a frame the columns that are left out stand next to them."""
    import narwhals

    if isinstance(latents, np.ndarray):
        return latents.astype(float)
    frame = narwhals.from_native(latents, eager_only=True)
    return frame.select([name for name in frame.columns if name.startswith("latent_")]).to_numpy().astype(float)


def _plain(kind: str) -> str:
    return {"count": "number"}.get(kind, kind)

"""A table of 17 columns and 50,000 people, like UCI's Adult but made: `python -m benchmarks.tables`.

Six numbers, eight categories of up to 42 levels, two dates and a boolean follow from seven hidden numbers and noise; a
tenth of the cells is missing. Trained on nine tenths with 16 latents; judged on the others, cells that are there by how
well they come back, cells that are missing by how well they are filled in, beside the imputers of scikit-learn.

Order: the table, the judgement, the imputers, the run.
"""

import argparse
import time
from typing import Any

import numpy as np
import pandas as pd

from diabolo import Autoencoder
from diabolo.training import backend

LEVELS = {"workclass": 8, "marital": 7, "occupation": 14, "relationship": 6, "race": 5, "region": 10, "country": 42}
NUMBERS = ("age", "education_num", "hours", "capital_gain", "weight", "wage", "born", "hired")
KNOWN_ROWS = 10_000  # that the imputers learn from: their time grows with the square, or with the columns


def make(rows: int, seed: int) -> pd.DataFrame:
    """Return the table without gaps."""
    rng = np.random.default_rng(seed)
    hidden = rng.standard_normal((rows, 7))
    noise = lambda: rng.standard_normal(rows)  # noqa: E731
    age = np.clip(38 + 13 * hidden[:, 0] + 3 * np.abs(noise()) - 2, 17, 90).round()
    education = np.clip(10 + 2.4 * hidden[:, 1] + 0.4 * noise(), 1, 16).round().astype(int)
    rich = hidden[:, 4] + 0.3 * hidden[:, 1]
    cells: dict[str, Any] = {
        "age": age.astype(int),
        "education_num": education,
        "hours": np.clip(40 + 9 * (0.8 * hidden[:, 4] + 0.3 * hidden[:, 1]) + 2 * noise(), 1, 99).round().astype(int),
        "capital_gain": np.where(rich > 1.2, np.exp(7.5 + 0.9 * (hidden[:, 4] - 1) + 0.15 * noise()), 0).round(),
        "weight": np.exp(12 + 0.5 * hidden[:, 3] + 0.1 * noise()).round(),
        "wage": (18 + 6 * hidden[:, 1] + 5 * hidden[:, 4] + 1.5 * noise()).round(2),
        "education": np.array([f"grade-{at}" for at in range(17)])[education],
    }
    for name, levels in LEVELS.items():
        # The commonest level of a country or a race is most of the table, as in the original.
        common = np.linspace(1.5, -1.5, levels) + 4.5 * (np.arange(levels) == 0) * (name in ("country", "race"))
        odds = hidden @ rng.standard_normal((7, levels)) * 1.2 + common + 0.35 * rng.gumbel(size=(rows, levels))
        cells[name] = np.array([f"{name}-{at}" for at in range(levels)])[odds.argmax(axis=1)]
    day = pd.Timedelta(days=1)
    cells["born"] = pd.Timestamp("2024-01-01") - (age * 365.25 + rng.uniform(0, 365, rows)).round() * day
    cells["hired"] = pd.Timestamp("2012-01-01") + (hidden[:, 6] * 1200 + 150 * noise()).round() * day
    cells["over_50k"] = hidden[:, 1] + hidden[:, 4] + 0.2 * noise() > 1
    return pd.DataFrame(cells)


def with_gaps(whole: pd.DataFrame, share: float, seed: int) -> pd.DataFrame:
    """Return the table with a share of its cells missing, in types that have room for that."""
    hide = np.random.default_rng([seed, 1]).random(whole.shape) < share
    frame = whole.convert_dtypes(convert_floating=False)
    for at, name in enumerate(frame.columns):
        frame.loc[hide[:, at], name] = np.nan if frame[name].dtype.kind == "f" else pd.NA
    return frame


def as_number(cells: pd.Series) -> np.ndarray[Any, Any]:
    if cells.dtype.kind == "M":
        return (cells - pd.Timestamp(0)).dt.total_seconds().to_numpy(float)
    return cells.to_numpy(float)


def judge(whole: pd.DataFrame, guess: pd.DataFrame, cells: np.ndarray[Any, Any]) -> dict[str, float]:
    """Return R2 of numbers and dates, and the share of levels that are right, on some cells of each column."""
    figures = {}
    for at, name in enumerate(whole.columns):
        here = cells[:, at]
        if name in NUMBERS:
            truth, ours = as_number(whole[name])[here], as_number(guess[name])[here]
            figures[name] = 1 - np.square(truth - ours).sum() / np.square(truth - truth.mean()).sum()
        else:
            figures[name] = float((whole[name][here].astype(str) == guess[name][here].astype(str)).mean())
    return figures


def simple(known: pd.DataFrame, holes: pd.DataFrame) -> pd.DataFrame:
    """Return the table with means and commonest levels in its holes."""
    return pd.DataFrame(
        {
            name: holes[name]
            .astype("float64" if name in NUMBERS[:6] else holes[name].dtype)
            .fillna(known[name].mean() if name in NUMBERS else known[name].mode()[0])
            for name in holes
        }
    )


def by_imputer(imputer: Any, known: pd.DataFrame, holes: pd.DataFrame) -> pd.DataFrame:
    """Return the table as an imputer of scikit-learn fills it: numbers standardised, levels as zeros and ones."""
    levels = {name: sorted(known[name].dropna().unique()) for name in known if name not in NUMBERS}
    scales = {name: (np.nanmean(as_number(known[name])), np.nanstd(as_number(known[name]))) for name in NUMBERS}

    def told(frame: pd.DataFrame) -> np.ndarray[Any, Any]:
        parts = [((as_number(frame[name]) - scales[name][0]) / scales[name][1])[:, None] for name in NUMBERS]
        for name, each in levels.items():
            zeros = np.stack([(frame[name] == level).fillna(False).to_numpy(float) for level in each], axis=1)
            zeros[frame[name].isna().to_numpy()] = np.nan
            parts.append(zeros)
        return np.concatenate(parts, axis=1)

    filled = imputer.fit(told(known)).transform(told(holes))
    back, at = {}, len(NUMBERS)
    for place, name in enumerate(NUMBERS):
        values = filled[:, place] * scales[name][1] + scales[name][0]
        back[name] = pd.to_datetime(values, unit="s") if name in ("born", "hired") else values
    for name, each in levels.items():
        back[name] = np.array(each)[filled[:, at : at + len(each)].argmax(axis=1)]
        at += len(each)
    return pd.DataFrame(back, index=holes.index)[list(holes.columns)]


def show(title: str, figures: dict[str, float]) -> None:
    numbers = [value for name, value in figures.items() if name in NUMBERS]
    levels = [value for name, value in figures.items() if name not in NUMBERS]
    print(
        f"| {title} | {np.mean(levels):.3f} ({min(levels):.3f}) | {np.mean(numbers):.3f} ({min(numbers):.3f}) |",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--without-imputers", action="store_true", help="leave out what takes minutes")
    settings = parser.parse_args()
    whole = make(settings.rows, 0)
    frame = with_gaps(whole, 0.1, 0)
    order = np.random.default_rng(2).permutation(len(frame))
    test, train = order[: len(frame) // 10], order[len(frame) // 10 :]
    backend.load_tensorflow()
    started = time.perf_counter()
    model = Autoencoder(16, random_state=0, verbose=False).fit(frame.iloc[train])
    print(f"fit: {time.perf_counter() - started:.1f} s, {len(model.history_['loss'])} epochs")
    holes, truth = frame.iloc[test], whole.iloc[test]
    there = holes.notna().to_numpy()
    back = model.decode(model.encode(holes))
    assert (back.dtypes == frame.dtypes).all()
    assert back.index.equals(holes.index)
    figures = judge(truth, back, there)
    print("cells that are there:", ", ".join(f"{name} {value:.3f}" for name, value in figures.items()))
    print("| | levels right, mean (worst column) | R2 of numbers and dates, mean (worst) |\n|---|---|---|")
    show("cells that are there, through 16 latents", figures)
    show("missing cells: filled in", judge(truth, model.reconstruct(holes, fill="missing"), ~there))
    known = frame.iloc[train[:KNOWN_ROWS]]
    show("mean and commonest level", judge(truth, simple(known, holes), ~there))
    if not settings.without_imputers:
        from sklearn.experimental import enable_iterative_imputer  # noqa: F401
        from sklearn.impute import IterativeImputer, KNNImputer

        for imputer in (
            KNNImputer(n_neighbors=10),
            IterativeImputer(max_iter=3, n_nearest_features=40, random_state=0),
        ):
            started = time.perf_counter()
            filled = by_imputer(imputer, known, holes)
            show(f"{type(imputer).__name__}, {time.perf_counter() - started:.0f} s", judge(truth, filled, ~there))


if __name__ == "__main__":
    main()

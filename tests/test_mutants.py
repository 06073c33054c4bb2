"""Model files that load are used: whatever a signed file says, each verb gives finite numbers or one line."""

import contextlib
import io
import os
import random
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import mutants
from diabolo import AnomalyDetector, Autoencoder
from diabolo.anomaly import scoring
from diabolo.anomaly.explain import by_column
from diabolo.autoencoder import from_model
from diabolo.cli.info import _facts, _show
from diabolo.data import frames
from diabolo.data.adapters import ArrayAdapter, ImageAdapter, SeriesAdapter, TableAdapter
from diabolo.data.adapters.features import Number
from diabolo.data.adapters.statistics import Statistics
from diabolo.errors import DataError, DiaboloError, OptionError
from diabolo.model import file as modelfile
from diabolo.model import generating
from diabolo.network import structures
from diabolo.network.losses import LOSSES, Masked

QUICK = {"structure": [], "epochs": 1, "random_state": 0, "verbose": False}
ROWS = 5


def frame():
    """Return a frame with a column of every kind and of many types, and a gap."""
    rng, n = np.random.default_rng(0), 40
    made = pd.DataFrame({"wage": np.exp(4 * rng.normal(size=n)), "city": np.where(rng.random(n) > 0.5, "Bern", "Zug")})
    made["grade"] = pd.Categorical(np.array(list("abcd"))[rng.integers(0, 4, n)], list("abcd"), ordered=True)
    made["member"], made["visits"] = rng.random(n) > 0.5, rng.poisson(3, n).astype(np.int8)
    made["born"] = pd.Timestamp("2000-01-01") + pd.to_timedelta(np.arange(n), unit="D")
    made["seen"] = made["born"].dt.tz_localize("Europe/Zurich") + pd.Timedelta(hours=3)
    made["took"] = pd.to_timedelta(rng.integers(0, 9_999, n), unit="s")
    made["short"] = rng.normal(size=n).astype(np.float32)
    made["nullable"] = pd.array(rng.integers(0, 9, n), "Int64")
    made.loc[3, "wage"] = np.nan
    return made


@pytest.fixture(scope="session")
def seeds(fitted_table):
    """Sound models of every sort, as the bytes of their files."""
    made, found = frame(), []
    types = {"visits": "count", "nullable": "category"}
    found.append(modelfile.to_bytes(Autoencoder(2, types=types, **QUICK).fit(made).model_))
    detector = AnomalyDetector(Autoencoder(2, **QUICK), random_state=0)
    found.append(modelfile.to_bytes(detector.fit(pl.from_pandas(made.drop(columns=["took"]))).model))
    found *= 4  # they have the most to say
    found += [path.read_bytes() for path in sorted((Path(__file__).parent / "golden").glob("*.safetensors"))]
    return found + [modelfile.to_bytes(model) for model in untrained(fitted_table.model_)]


def untrained(model):
    """Give small models whose weights are drawn by chance: of every bottleneck, loss and sort of rows."""
    rng = np.random.default_rng(0)

    def of(words, shape, adapter, loss, bottleneck="plain", settings=None):
        network = structures.build(words, shape, latent_dim=2, bottleneck=bottleneck, allow_overcomplete=True)
        learnt = {f"loss/{name}": size for name, size in loss.weights(shape).items()}
        weights = {
            name: np.abs(rng.normal(0, 0.3, size)).astype(np.float32)
            for name, size in (network.weights() | learnt).items()
        }
        record = replace(model.record, settings=model.record.settings | (settings or {}))
        return replace(model, network=network, weights=weights, adapter=adapter, loss=loss, record=record)

    def array(features, dtype="float64", scale=2.0, offset=1.0, bounded=False):
        return ArrayAdapter(
            row_shape=(features,),
            dtype=dtype,
            bounded=bounded,
            offset=np.full(features, 0.0 if bounded else offset),
            scale=np.full(features, scale),
        )

    image = {"row_shape": (8, 7), "offset": np.zeros(1), "scale": np.full(1, 255.0)}
    series = {"row_shape": (6, 2), "dtype": "float64", "bounded": False, "offset": np.zeros(2), "scale": np.ones(2)}
    losses = {name: kind() for name, kind in LOSSES.items()}
    yield of("dense 4", (5,), array(5), losses["gaussian"], "gaussian")
    yield of("dense 4", (5,), array(5), replace(losses["gaussian"], variance="learnt"), "gaussian:beta=2")
    yield of("dense 4", (5,), array(5, "float32"), losses["huber"], "quantized:codes=4", {"penalty": "mmd:100"})
    yield of("dense 4", (5,), array(5), losses["gaussian"], "refined:steps=2")
    yield of("dense 4", (5,), array(5, offset=0.0), losses["poisson"], "sparse:method=top_k,active=1")
    yield of("dense 4", (5,), array(5, "uint8", 255.0, bounded=True), losses["bernoulli"], "ordered")
    yield of("residual 4x1", (5,), array(5), losses["gaussian"], "refined")
    yield of("conv 2", (8, 7, 1), ImageAdapter(dtype="uint8", bounded=True, **image), losses["ssim"])
    yield of("pool 2", (8, 7, 1), ImageAdapter(dtype="float32", bounded=True, **image), losses["bernoulli"], "refined")
    yield of("lstm 3", (6, 2), SeriesAdapter(**series), losses["gaussian"])
    yield of("attention1d 4x1", (6, 4), SeriesAdapter(gaps=True, **series), Masked(channels=2))
    yield of("conv1d 3", (6, 4), SeriesAdapter(gaps=True, **series), Masked(channels=2), "refined")


def natural(model, chance):
    """Return rows as a model takes them: usual ones, and some that are far off."""
    adapter, rng = model.adapter, np.random.default_rng(chance.randrange(1 << 30))
    if isinstance(adapter, TableAdapter):
        columns = [_values(feature, rng) for feature in adapter.features]
        rows = np.stack(columns, axis=1)
        if adapter.gaps:
            rows[0] = np.nan
            rows[1, rng.integers(rows.shape[1])] = np.nan
        return rows
    rows = rng.normal(size=(ROWS, *adapter.row_shape))
    if adapter.bounded:
        return np.clip(np.abs(rows) / 3, 0, 1) * adapter.scale.max()
    with np.errstate(all="ignore"):
        grey = adapter.kind == "image" and len(adapter.row_shape) == 2
        rows = (rows[..., None] if grey else rows) * adapter.divisor + adapter.offset
        rows = rows.reshape(ROWS, *adapter.row_shape)
        rows[1] = 0
        if chance.random() < 0.3:
            rows[2] *= chance.choice([1e6, 1e20, 1e150])
        rows = np.nan_to_num(rows)
    if adapter.kind == "series" and adapter.gaps:
        rows[3, -1] = np.nan
    return rows


def _values(feature, rng):
    if feature.kind == "category":
        return rng.integers(0, min(feature.levels + 1, 100), ROWS).astype(np.float64)
    if feature.kind == "boolean":
        return rng.integers(0, 2, ROWS).astype(np.float64)
    if feature.kind == "count":
        return rng.poisson(min(feature.mean, 1e9), ROWS).astype(np.float64)
    return feature.center + feature.scale * rng.normal(size=ROWS)


def check_line(error):
    assert "\n" not in str(error)
    assert len(str(error)) < 1_000


def finite(value, what):
    """Check that every number is finite."""
    for each in value if isinstance(value, tuple) else (value,):
        if isinstance(each, np.ndarray) and each.dtype.kind == "f":
            assert np.isfinite(each).all(), f"{what}: {each}"


def used(model, chance):
    """Use a model in every way; return how many of them gave something."""
    rows, gave = natural(model, chance), 0
    latents = np.random.default_rng(0).normal(size=(ROWS, model.network.latent_dim)).astype(np.float32)
    verbs = {
        "encode": lambda: model.encode(rows),
        "decode": lambda: model.decode(latents),
        "decode far": lambda: model.decode(latents * 1e20),
        "reconstruct": lambda: model.reconstruct(rows),
        "fill_in": lambda: model.fill_in(rows),
        "loss_per_row": lambda: model.loss_per_row(rows),
        "squared_error_per_row": lambda: model.squared_error_per_row(rows),
        "residuals": lambda: model.residuals(rows),
        "codes": lambda: model.codes(rows),
        "sample": lambda: generating.sample(model, 3, random_state=0),
        "interpolate": lambda: generating.interpolate(model, rows[0], rows[1], steps=3),
        "traverse": lambda: generating.traverse(model, rows[0], 0, values=[-1e300, 0, 3]),
        "posterior": lambda: generating.posterior(model, rows),
        "log_likelihood": lambda: generating.log_likelihood(model, rows, n_samples=3, random_state=0),
        "error_by_size": lambda: model.error_by_size(rows),
        "by_column": lambda: tuple(by_column(model, model.checked(rows, where="explain()"))),
        "estimator": lambda: from_model(model).encode(rows),
        "info": lambda: said(model),
    }
    if model.detection is not None:
        verbs["score"] = lambda: scoring.score(model, model.detection, model.checked(rows, where="score()"))
        verbs["detector"] = lambda: detected(model, rows)
    if model.schema is not None:
        for library in (None, "pandas", "polars", "pyarrow"):
            verbs[f"write {library}"] = lambda library=library: written(model, rows, latents, library)
    for name, verb in verbs.items():
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("error")
            try:
                finite(verb(), name)
                gave += 1
            except DiaboloError as error:
                check_line(error)
            except Exception as error:
                raise AssertionError(f"{name}: {error!r}") from error
        assert not warned, f"{name}: {warned[0].message}"  # pandas has filters of its own
    return gave


def said(model):
    with contextlib.redirect_stdout(io.StringIO()) as text:
        _show(model, "model")
    text.getvalue().encode()
    assert _facts(model)


def detected(model, rows):
    autoencoder = from_model(model)
    detector = AnomalyDetector(autoencoder)._set_fitted(autoencoder, model.detection)
    if model.schema is not None:
        rows = frames.write(rows, model.schema)
    labels = detector.predict(rows)
    detector.explain(rows)
    return detector.score_samples(rows), detector.probability(rows), labels


def written(model, rows, latents, library):
    """Write rows as frames, read them back, and fill them in."""
    schema, found = model.schema, []
    for values in (model.decode(latents), rows):
        made = frames.write(values, schema, library)
        if not isinstance(made, np.ndarray):
            found.append(frames.read(made, schema, where="read()").rows)
            frames.write(
                model.fill_in(found[-1]) if model.adapter.kind == "table" else values, schema, library, known=made
            )
    return tuple(np.nan_to_num(each, nan=0.0) for each in found)  # of which the rows may have had gaps


def count_of(seeds, wanted, seed):
    """Use so many mutants that load; return how many were made, used, and the ways that gave something."""
    chance, made, loaded, gave = random.Random(seed), 0, 0, 0
    while loaded < wanted:
        made += 1
        content, changes = mutants.mutant(chance.choice(seeds), chance)
        try:
            model = modelfile.from_bytes(content)
        except DiaboloError as error:
            check_line(error)
            continue
        loaded += 1
        try:
            gave += used(model, chance)
        except AssertionError as error:
            raise AssertionError(f"mutant {made} of seed {seed}, {changes!s:.400}: {error}") from error
    return made, loaded, gave


def test_the_sound_models_can_be_used_in_every_way(seeds):
    for content in seeds:
        assert used(modelfile.from_bytes(content), random.Random(0)) >= 8


def test_mutants_that_load_are_used_without_a_traceback_a_warning_or_a_silent_nan(seeds):
    print("{:,} made, {:,} loaded and used, {:,} results".format(*count_of(seeds, 100, seed=0)))


@pytest.mark.slow
def test_a_great_many_mutants_that_load_are_used_the_same_way(seeds):
    wanted = int(os.environ.get("DIABOLO_MUTANTS", "1000"))
    print("{:,} made, {:,} loaded and used, {:,} results".format(*count_of(seeds, wanted, seed=1)))


def test_what_overflows_in_the_network_is_refused_in_one_line_that_names_the_row(fitted_table, table):
    model = fitted_table.model_
    large = {
        name: np.full_like(weight, 1e14 if name.endswith("kernel") else 0) for name, weight in model.weights.items()
    }
    loaded = modelfile.from_bytes(modelfile.to_bytes(replace(model, weights=large)))
    rows = np.repeat(loaded.adapter.offset[None], 8, axis=0)  # which the network gives back as they are
    rows[7] = table[0] * 1e6
    for verb in (loaded.encode, loaded.reconstruct, loaded.fill_in, loaded.loss_per_row):
        assert np.isfinite(verb(rows[:7])).all()
        with pytest.raises(DataError, match="row 107 gives numbers that are not finite"):
            verb(rows, first_row=100)


def test_a_reconstruction_beyond_its_type_stays_within_it():
    adapter = ArrayAdapter(
        row_shape=(2,), dtype="float32", bounded=False, offset=np.zeros(2), scale=np.array([1e38, 1e149])
    )
    rows = adapter.restore(np.array([[9.0, -9.0]], np.float32))
    assert rows.tolist() == [[np.finfo(np.float32).max, -np.finfo(np.float32).max]]


@pytest.mark.parametrize("make", [float, str], ids=["array", "frame"])
def test_numbers_that_no_file_may_hold_are_refused_before_they_are_learnt_from(make):
    rows = np.random.default_rng(0).normal(size=(20, 2)) * [1, 1e152]
    X = rows if make is float else pd.DataFrame({"a": rows[:, 0], "b": rows[:, 1], "c": ["x", "y"] * 10})
    with pytest.raises(DataError, match="whose squares fit a double") as refused:
        Autoencoder(1, **QUICK).fit(X)
    assert make is float or "column 'b'" in str(refused.value)


def test_what_hardly_varies_is_constant_in_every_adapter():
    values = np.array([1.0, 2.0, 3.0]) * 1e-200
    assert Number.learn(values).scale == 0
    assert SeriesAdapter.of(values.reshape(3, 1, 1), gaps=False).scale == 0
    assert ArrayAdapter.learn(Statistics.of(values[:, None]), scaling="standardise").scale == 0


def test_a_source_whose_name_is_not_unicode_is_recorded_and_loaded(fitted_table):
    model = replace(fitted_table.model_, record=replace(fitted_table.model_.record, source="caf\udce9.csv"))
    assert modelfile.from_bytes(modelfile.to_bytes(model)).record.source == "caf\\udce9.csv"


def test_texts_that_arrow_holds_as_views_come_back_as_they_were():
    texts = pa.array(["x", "y", "x"], pa.string_view())
    coded = pa.DictionaryArray.from_arrays(pa.array([0, 1, 0], pa.int32()), texts[:2])
    known = pa.table({"plain": texts, "coded": coded})
    schema = frames.learn(known, where="fit()")
    rows = frames.read(known, schema, where="encode()").rows
    assert frames.write(rows, schema).equals(known)
    assert frames.write(rows, schema, known=known).to_pydict() == known.to_pydict()


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_every_type_of_a_column_that_loads_is_written_in_every_library(library):
    for kind in ("number", "boolean", "date"):
        for arrow in mutants.ARROW.split("|"):
            config = {"name": "a", "kind": kind, "arrow": arrow, "native": "", "levels": []}
            config |= dict.fromkeys(("ordered", "coded", "whole"), False)
            try:
                schema = frames.from_config({"library": library, "numbered": False, "columns": [config]})
                made = frames.write(np.array([[np.nan], [0.0], [1.0], [1e200], [-1e200]]), schema)
            except OptionError as error:
                check_line(error)
            else:
                assert len(made) == 5

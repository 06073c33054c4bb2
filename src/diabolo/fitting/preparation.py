"""What is known of rows before anything is trained: adapter, loss, network, parts, and the rows themselves.

Everything that can be wrong with rows or settings is found here, in seconds, before TensorFlow is loaded.
Order: the result, the preparation, how each kind of rows is learnt, the shard.
"""

import logging
import math
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from diabolo.data import adapters, memory, sparse
from diabolo.data.adapters import Rows, Statistics, as_rows, check_rows
from diabolo.data.frames import Schema, from_arrow
from diabolo.data.long_table.form import SeriesForm
from diabolo.data.memory import COPIES_IN_TRAINING
from diabolo.data.opening import check_options, open_rows
from diabolo.data.readers import scipy_files
from diabolo.data.shard import Shard
from diabolo.data.sources import Source
from diabolo.data.splits import VALIDATION, Division, divide, held_back
from diabolo.data.windows import Streamed, Windows, check_memory
from diabolo.errors import DataError, OptionError, ShapeError, unknown
from diabolo.fitting import condition, sparse_rows
from diabolo.fitting.automatic import advice
from diabolo.fitting.comparison import Sample, sampled
from diabolo.model import file as modelfile
from diabolo.model.model import Model
from diabolo.model.settings import AUTO, Settings
from diabolo.network import losses, structures
from diabolo.network.corruptions import CORRUPTIONS, Corruption
from diabolo.network.network import Network
from diabolo.network.penalties import Penalty, asked_for
from diabolo.parts import read_part
from diabolo.training import backend

logger = logging.getLogger(__name__)


class Prepared(NamedTuple):
    """What is known before the training begins; the rows themselves are in the shard, and a sample of them."""

    name: str
    rows: int
    validation_rows: int
    adapter: adapters.Adapter
    loss: losses.Choice
    network: Network
    corruption: Corruption | None
    penalty: Penalty | None
    shard: Shard
    streamed_within: int
    schema: Schema | None
    series: SeriesForm | None = None
    sample: Sample | None = None

    def facts(self, *, batch_size: int, epochs: int) -> dict[str, float]:
        """Return what `diabolo.fitting.automatic.advice` goes by."""
        rows = self.shard.training()
        return advice.facts(
            self.network,
            rows if isinstance(rows, np.ndarray) and self.shard.matrix is None else None,
            rows=self.rows,
            batch_size=batch_size,
            epochs=epochs,
            bounded=self.adapter.bounded,
        )


def prepare(X: object, settings: Settings, *, evaluation_rows: Rows | None = None) -> Prepared:
    """Return what is known of rows before anything is trained.

    Args:
        X: as for `Autoencoder.fit`.
        settings: with a seed.
        evaluation_rows: (n, ...), numbers that the model will be evaluated on later; nothing is learnt from them.

    Raises: DataError, ShapeError, OptionError.
    """
    X = from_arrow(X)
    limit, reading = memory.limit(settings.memory), settings.reading
    check_options(X, reading, series=settings.series)
    if scipy_files.is_matrix(X):
        matrix = scipy_files.read(Path(X), limit // COPIES_IN_TRAINING)
        return _prepare_sparse(matrix, settings, evaluation_rows, name=Path(X).name)
    if sparse.is_sparse(X):
        return _prepare_sparse(X, settings, evaluation_rows)
    opened = open_rows(X, limit, reading=reading)
    columns = () if settings.condition is None else condition.columns_of(opened, settings.condition)
    if isinstance(opened, Source) and (settings.series or opened.series):
        opened = as_series(opened)
    check_memory(opened, limit, settings.batch_size)
    part = divide(opened, settings.validation_fraction, settings.seed, limit=limit)
    if columns:  # also of numbers alone: each column is scaled, and compared, by itself
        part = replace(part, statistics=None)
    schema = opened.schema
    adapter: adapters.Adapter
    places: tuple[int, ...] = ()
    if part.statistics is None:
        assert isinstance(opened, Source), "a table is all in memory"
        assert isinstance(part.train, np.ndarray), "a table is all in memory"
        if not opened.series:  # whose adapter says it of channels
            _refuse_empty_columns(opened.rows)
        learn = _learn_series if opened.series else _learn_table
        adapter, choice = learn(settings, opened, part.train, evaluation_rows)
        if columns:
            assert isinstance(adapter, adapters.TableAdapter), "only tables have columns with names"
            places = condition.places_of(adapter, columns)
            choice = choice._replace(loss=losses.for_table(adapter.blocks, gaps=adapter.gaps, condition=places))
    else:
        adapter, choice = _learn_array(settings, part, part.statistics, evaluation_rows)
    network = _network(settings, adapter.tensor_shape, math.prod(adapter.row_shape) - len(columns), condition=places)
    _check_precision(settings, network)
    series = opened.labels.form if isinstance(opened, Source) and opened.labels is not None else None
    modelfile.check_room(network, adapter, schema, settings.to_config(), series)
    corruption, penalty = _noise_and_penalty(settings, adapter)
    if corruption is not None:
        corruption.fits(adapter.tensor_shape, choice.loss)
        if getattr(corruption, "hidden_only", False) and not choice.loss.masks:
            raise OptionError(
                f"corruption 'hidden_only=true' limits the loss to the hidden values, which reconstruction_loss "
                f"{choice.loss.kind!r} cannot do: leave hidden_only out."
            )
    if penalty is not None:
        penalty.fits(network.bottleneck)
        penalty.fits_network(network)
    shard = _shard(adapter, part, limit=limit, batch_size=settings.batch_size, seed=settings.seed)
    return Prepared(
        name=part.name,
        rows=part.rows,
        validation_rows=0 if part.validation is None else len(part.validation),
        adapter=adapter,
        loss=choice,
        network=network,
        corruption=corruption,
        penalty=penalty,
        shard=shard,
        streamed_within=0 if isinstance(part.whole, np.ndarray) else limit,
        schema=schema,
        series=series,
        sample=sampled(part),
    )


def prepare_again(model: Model, rows: Rows, settings: Settings) -> Prepared:
    """Return what `prepare` returns, with the adapter, loss and network of a model, to continue its training.

    Args: rows: (n, *row_shape), from `Model.checked`.
    """
    adapter = model.adapter
    if adapter.bounded:
        model.loss.check_rows(rows, adapter.largest)
    division = Division("an array", rows, None, None)
    corruption, penalty = _noise_and_penalty(settings, adapter)
    return Prepared(
        name=model.record.source,
        rows=len(rows),
        validation_rows=0,
        adapter=adapter,
        loss=losses.Choice(model.loss, model.record.loss_reason),
        network=model.network,
        corruption=corruption,
        penalty=penalty,
        shard=_shard(adapter, division, limit=0, batch_size=0, seed=0),
        streamed_within=0,
        schema=model.schema,
        series=model.series,
    )


def _noise_and_penalty(settings: Settings, adapter: adapters.Adapter) -> tuple[Corruption | None, Penalty | None]:
    written = adapter.default_corruption if settings.corruption == AUTO else settings.corruption
    corruption = None if written is None else read_part("corruption", CORRUPTIONS, written)
    return corruption, asked_for(settings.penalty, settings.structure)


def _network(
    settings: Settings,
    input_shape: tuple[int, ...],
    columns: int | None = None,
    *,
    sparse: bool = False,
    condition: tuple[int, ...] = (),
) -> Network:
    latent_dim: Any = settings.latent_dim  # "auto" was counted before
    structure = settings.structure
    if isinstance(structure, str) and structure == AUTO:
        structure = structures.automatic(
            settings.bottleneck,
            math.prod(input_shape),
            latent_dim,
            plain=sparse or settings.tied or settings.penalty is not None,
        )
    network = structures.build(
        structure,
        input_shape,
        latent_dim=latent_dim,
        activation=settings.activation,
        bottleneck=settings.bottleneck,
        bottleneck_activation=settings.bottleneck_activation,
        tied=settings.tied,
        allow_overcomplete=settings.allow_overcomplete,
        columns=columns,
        condition=condition,
    )
    modelfile.check_size(network)
    return network


def _check_precision(settings: Settings, network: Network) -> None:
    """Raise OptionError where no layer can be computed in the precision; warn where the processor is slow at it."""
    if settings.precision == "float32":
        return
    hidden = (step.layer for step in network.encoder_steps if step.layer.name != "bottleneck")
    if not any(layer.reducible for layer in hidden):
        raise OptionError(
            f"precision={settings.precision!r} is for dense and convolutional layers, and structure "
            f"{settings.structure!r:.60} has none besides the latents: leave precision (--precision) out."
        )
    if backend.has_bfloat16() is False:
        logger.warning("this processor has no instructions for bfloat16: on it, precision='float32' is probably faster")


def _prepare_sparse(
    X: object, settings: Settings, evaluation_rows: Rows | None, *, name: str = "a sparse matrix"
) -> Prepared:
    if settings.condition is not None:
        condition.refuse(settings.condition, "a sparse matrix has no names of columns")
    matrix = sparse.check(X, where="fit()")
    held = held_back(matrix.shape[0], settings.validation_fraction, settings.seed, VALIDATION)
    order = (
        np.arange(matrix.shape[0]) if held is None else np.concatenate([np.flatnonzero(~held), np.flatnonzero(held)])
    )
    rows = matrix.shape[0] - (0 if held is None else int(held.sum()))
    if not matrix[order[:rows]].count_nonzero():
        raise DataError("fit() expected rows to learn from, got a sparse matrix with no value other than zero in them.")
    choice = sparse_rows.choose_loss(settings.reconstruction_loss, matrix, evaluation_rows)
    adapter = sparse_rows.learn(matrix[order[:rows]], choice.loss)
    network = _network(settings, adapter.tensor_shape, sparse=True)
    _check_precision(settings, network)
    corruption = None
    if settings.corruption is not None and settings.corruption != AUTO:
        corruption = read_part("corruption", CORRUPTIONS, settings.corruption)
    sparse_rows.fits(network, corruption, asked_for(settings.penalty, settings.structure))
    scaled = matrix[order].astype(np.float32)
    scaled.data /= adapter.divisor.max()
    shard = Shard(
        rows=np.arange(rows, dtype=np.int32),
        validation=None if held is None else np.arange(rows, len(order), dtype=np.int32),
        bounded=adapter.bounded,
        matrix=scaled,
    )
    return Prepared(
        name=name,
        rows=rows,
        validation_rows=len(order) - rows,
        adapter=adapter,
        loss=choice,
        network=network,
        corruption=corruption,
        penalty=None,
        shard=shard,
        streamed_within=0,
        schema=None,
    )


def _learn_array(
    settings: Settings, part: Division, statistics: Statistics, evaluation_rows: Rows | None
) -> tuple[adapters.ArrayAdapter, losses.Choice]:
    evaluation_rows = None if evaluation_rows is None else check_rows(evaluation_rows, where="fit()")
    others = [rows for rows in (part.validation, evaluation_rows) if rows is not None]
    every = [statistics, *map(Statistics.of, others)]
    widest = max(each.widest for each in every)
    choice = _choose_loss(settings.reconstruction_loss, every, widest)
    adapter = adapters.learn(statistics, scaling=choice.loss.scaling, widest=widest)
    choice.loss.fits(adapter.tensor_shape)
    for rows in (part.whole, *others) if isinstance(part.whole, np.ndarray) else others:
        choice.loss.check_rows(rows, widest)
    for rows in others:
        adapter.check(rows, where="fit()")
    if evaluation_rows is not None and not adapter.bounded:
        adapter.adapt(evaluation_rows)  # refuses what is too far off, now rather than after the training
    return adapter, choice


def _learn_series(
    settings: Settings, opened: Source, rows: Rows, evaluation_rows: Rows | None
) -> tuple[adapters.SeriesAdapter, losses.Choice]:
    adapter = adapters.SeriesAdapter.of(rows, gaps=opened.gaps)
    if evaluation_rows is not None:
        adapter.check(evaluation_rows, where="fit()")
        adapter.adapt(evaluation_rows)
    if opened.gaps:
        if settings.reconstruction_loss not in ("auto", "gaussian"):
            raise OptionError(
                f"series with missing values are trained with the squared error: pass reconstruction_loss='auto' "
                f"(--reconstruction-loss auto), got {settings.reconstruction_loss!r:.60}."
            )
        return adapter, losses.Choice(losses.Masked(channels=rows.shape[2]), "series with gaps, which are left out")
    if settings.reconstruction_loss == "auto":
        return adapter, losses.Choice(losses.Gaussian(), "series, each channel standardised")
    loss = read_part("reconstruction_loss", losses.LOSSES, settings.reconstruction_loss)
    if loss.scaling != "standardise":
        raise OptionError(f"series are standardised, which reconstruction_loss {loss.kind!r} cannot take.")
    return adapter, losses.Choice(loss, "asked for")


def _learn_table(
    settings: Settings, opened: Source, rows: Rows, evaluation_rows: Rows | None
) -> tuple[adapters.TableAdapter, losses.Choice]:
    if settings.reconstruction_loss != "auto":
        what = "missing cells" if opened.schema is None else "missing cells or columns of several kinds"
        raise OptionError(
            f"rows with {what} get a loss for each column automatically: pass reconstruction_loss='auto' "
            f"(--reconstruction-loss auto), got {settings.reconstruction_loss!r:.60}."
        )
    columns = None
    if opened.schema is not None:
        columns = [each.facts for each in opened.schema.columns]
    adapter = adapters.TableAdapter.learn(rows, columns, gaps=opened.gaps)
    if evaluation_rows is not None:
        adapter.check(evaluation_rows, where="fit()")
        adapter.adapt(evaluation_rows)
    kinds = Counter(feature.kind for feature in adapter.features)
    return adapter, losses.Choice(
        losses.for_table(adapter.blocks, gaps=adapter.gaps), f"each column by its kind: {_counted(kinds)}"
    )


def _choose_loss(name: object, every: list[Statistics], widest: float) -> losses.Choice:
    """Return the loss that is chosen from the training rows, and that can compare the other rows as well.

    Args: name: of the loss, or "auto"; every: statistics of the training rows, then of others; widest: their divisor.
    """
    low, high = min(each.low.min() for each in every), max(each.high.max() for each in every)
    if name == "auto":
        mean, variance = every[0].overall
        return losses.choose(low / widest, high / widest, mean / widest, variance / widest**2)
    if isinstance(name, str) and name.partition(":")[0] not in losses.LOSSES:
        raise OptionError(unknown("reconstruction_loss", name, ["auto", *losses.LOSSES]))
    loss = read_part("reconstruction_loss", losses.LOSSES, name)
    if loss.scaling == "widest" and (low < 0 or high > widest):
        raise OptionError(
            f"reconstruction_loss {loss.kind!r} needs values in [0, {widest:g}], got {low:.3g} to {high:.3g}: choose "
            f"'gaussian', or scale the rows."
        )
    if loss.scaling == "mean":
        if low < 0:
            raise OptionError(
                f"reconstruction_loss {loss.kind!r} needs counts, 0 or more, got {low:.3g} to {high:.3g}: choose "
                f"'gaussian'."
            )
        loss = loss.with_mean(every[0].overall[0])
    return losses.Choice(loss, "asked for")


def as_series(opened: Source) -> Source:
    """Return rows as series (n, time, channels), floats; ShapeError where they have other axes."""
    rows = as_rows(opened.rows, where="fit()")
    if rows.ndim != 3:
        raise ShapeError(
            f"fit() expected series (n, time, channels), got shape {rows.shape}: one channel is X[:, :, None]."
        )
    rows = rows if rows.dtype.kind == "f" else rows.astype(np.float32)
    return opened._replace(rows=rows, gaps=opened.gaps or bool(np.isnan(rows).any()), series=True)


def _refuse_empty_columns(rows: Rows) -> None:
    empty = np.isnan(rows).all(axis=0) if rows.dtype.kind == "f" else np.zeros(1, bool)
    if empty.any():
        at = int(empty.argmax())
        raise DataError(f"fit() got column {at} (counted from 0) without a value in any row: leave it out.")


def _counted(kinds: Counter[str]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())


def _shard(adapter: adapters.Adapter, part: Division, *, limit: int, batch_size: int, seed: int) -> Shard:
    """Return the shard of rows: bytes as they are, to be scaled by the engine, all others scaled here."""
    scaling = adapter.scaling_of_bytes

    def convert(rows: Rows, **where: Any) -> Rows:
        return adapter.adapt(rows, **where) if scaling is None else rows.reshape(-1, *adapter.tensor_shape)

    validation = None
    if part.validation is not None:
        held = part.held
        held_numbers = None if held is None else lambda: np.flatnonzero(held)
        validation = convert(part.validation, first_row=None, numbers=held_numbers)
    rows: Rows | Windows
    if isinstance(part.whole, np.ndarray) and part.held is not None and adapter.is_identity(part.whole):
        # Without a copy: the rows that are held back stay among them.
        chosen = np.flatnonzero(~part.held)
        return Shard(rows=convert(part.whole), validation=validation, bounded=adapter.bounded, chosen=chosen)
    if isinstance(part.train, np.ndarray):
        others = part.held
        # Rows of which some are held back are a copy, which nobody else needs.
        numbers = None if others is None else lambda: np.flatnonzero(~others)
        rows = convert(part.train, numbers=numbers, reuse=others is not None)
    else:
        rows = Streamed(
            part.train,
            partial(convert, first_row=None),
            rows=part.rows,
            shape=adapter.tensor_shape,
            dtype=np.float32 if scaling is None else np.uint8,
            limit=limit,
            batch_size=min(batch_size, part.rows),
            seed=seed,
        )
        logger.info("%s is read again for every epoch, %d rows at a time", part.name, rows.chunk)
    if scaling is None:
        return Shard(rows=rows, validation=validation, bounded=adapter.bounded)
    return Shard(
        rows=rows, validation=validation, bounded=adapter.bounded, offset=scaling.offset, scale=scaling.divisor
    )

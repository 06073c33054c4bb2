"""New rows from a model, and the likelihood of given rows: functions of a `Model`.

Order: sampling, interpolating and traversing; the posterior of the latents and the likelihood of rows.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diabolo.checks import whole
from diabolo.data.adapters import Rows
from diabolo.errors import OptionError
from diabolo.model.model import Model
from diabolo.model.runtime import Floats
from diabolo.network.bottlenecks.gaussian import LOG_VAR_LIMIT
from diabolo.network.penalties import PENALTIES
from diabolo.parts import read_part

SAMPLE_CACHE_FLOATS = 1 << 18


def sample(
    model: Model, count: int, *, condition: object = None, random_state: int | np.random.Generator | None = None
) -> Rows:
    """Return new rows (count, *row_shape): latents drawn from a standard normal distribution, decoded.

    Args:
        model: with a gaussian (VAE) bottleneck, or a penalty that gives the latents a standard normal distribution.
        count: number of rows, at least 1.
        condition: of a model that has one, by column a value for all rows, or one for each.
        random_state: None, a whole number, or a NumPy generator.

    Raises: OptionError for another model.
    """
    penalty = model.record.settings["penalty"]
    if penalty is None or not read_part("penalty", PENALTIES, penalty).makes_prior:
        _check_posterior(model, "sample()", ", or penalty='mmd:100' (--penalty mmd:100)")
    count = whole("sample(): count", count, 1)
    latents = _generator(random_state).standard_normal((count, model.network.latent_dim), np.float32)
    given: Any = condition
    if model.condition is not None:
        given = model.condition.read(condition, count, where="sample()")
    return model.decode(latents, condition=given, where="sample()")


def interpolate(model: Model, first: object, second: object, *, steps: int = 10) -> Rows:
    """Return rows (steps, *row_shape): decoded points on the line between the latents of two rows, ends included.

    With a condition all of them have that of the first row.

    Args:
        model: a trained auto-encoder.
        first: a row (*row_shape).
        second: another.
        steps: number of points, at least 2.

    Raises: OptionError, DataError, ShapeError.
    """
    steps = whole("interpolate(): steps", steps, 2)
    ends = [model.encode([row], where="interpolate()")[0] for row in (first, second)]
    shares = np.linspace(0, 1, steps, dtype=np.float32)[:, None]
    points = (1 - shares) * ends[0] + shares * ends[1]
    return model.decode(points, condition=own_condition(model, first, steps), where="interpolate()")


def traverse(model: Model, row: object, latent: int, *, values: ArrayLike | None = None) -> Rows:
    """Return rows (len(values), *row_shape): the reconstruction of a row, with other values of one latent.

    Args:
        model: a trained auto-encoder.
        row: (*row_shape).
        latent: the latent dimension, from 0.
        values: the values of that latent; None: nine from -3 to 3.

    Raises: OptionError, DataError, ShapeError.
    """
    latent = whole("traverse(): latent", latent, 0)
    if latent >= model.network.latent_dim:
        raise OptionError(f"traverse() expected a latent from 0 to {model.network.latent_dim - 1}, got {latent}.")
    try:
        places = np.linspace(-3, 3, 9) if values is None else np.asarray(values)
    except ValueError:  # lists of several lengths
        places = np.empty(0)
    if places.ndim != 1 or not len(places) or places.dtype.kind not in "iuf":
        raise OptionError(f"traverse(): values must be a list of numbers, got {values!r:.60}.")
    latents = np.repeat(model.encode([row], where="traverse()"), len(places), axis=0)
    with np.errstate(over="ignore"):  # decode() refuses what is too large
        latents[:, latent] = places
    return model.decode(latents, condition=own_condition(model, row, len(latents)), where="traverse()")


def own_condition(model: Model, row: object, count: int) -> Rows | None:
    """Return the condition of one row so many times; None for a model without one."""
    if model.condition is None:
        return None
    return np.repeat(model.condition.of_rows(np.asarray([row], np.float64)), count, axis=0)


def posterior(model: Model, X: object, *, where: str = "posterior()", first_row: int = 0) -> tuple[Floats, Floats]:
    """Return mean and log-variance of the latents of rows, (n, latent_dim) each, for a gaussian (VAE) bottleneck.

    Raises: OptionError for another bottleneck; DataError, ShapeError.
    """
    _check_posterior(model, where)
    rows = model.checked(X, where=where, first_row=first_row)
    size, parts = model.runtime.rows_at_once, []
    for start in range(0, len(rows), size):
        tensors = model.adapter.adapt(rows[start : start + size], first_row=first_row + start)
        parts.append(model.runtime.posterior(tensors, first_row + start))
    mean, log_var = (np.concatenate(part) for part in zip(*parts, strict=True))
    return mean, np.clip(log_var, -LOG_VAR_LIMIT, LOG_VAR_LIMIT)


def log_likelihood(
    model: Model,
    X: object,
    *,
    n_samples: int = 5000,
    random_state: int | np.random.Generator | None = None,
) -> NDArray[np.float64]:
    """Return an estimate of log p(row) of each row, (n,), in nats: importance sampling from the encoder.

    Its expectation is a lower bound, which rises with the number of samples. For bytes and rows in [0, 1] it is the
    log-probability of the row, which should consist of 0 and 1; for other rows the log-density in their own units, for
    series with gaps that of the values that are present.

    Args:
        model: with a gaussian (VAE) bottleneck and a loss that is a likelihood.
        X: rows.
        n_samples: latents drawn for each row.
        random_state: None, a whole number, or a NumPy generator.

    Raises: OptionError for another model; DataError, ShapeError.
    Source: Burda et al. 2016, arXiv:1509.00519.
    """
    _check_posterior(model, "log_likelihood()")
    if not model.loss.likelihood:
        raise OptionError(
            f"log_likelihood() needs a reconstruction loss that is a likelihood, got {model.loss.kind!r}: fit with "
            f"reconstruction_loss='gaussian', or 'bernoulli' for values in [0, 1]."
        )
    n_samples, generator = whole("n_samples", n_samples, 1), _generator(random_state)

    def one(batch: Rows, row: int) -> Rows:
        target = model.adapter.adapt(batch, first_row=row)
        mean, log_var = posterior(model, batch, where="log_likelihood()", first_row=row)
        each = zip(target, mean, log_var, strict=True)
        logs = np.array([_log_mean_weight(model, *parts, n_samples, generator) for parts in each])
        return np.asarray(logs - _log_scale(model, target))

    return model.runtime.map_rows(X, one, (), where="log_likelihood()")


def _log_mean_weight(
    model: Model, target: Floats, mean: Floats, log_var: Floats, samples: int, generator: np.random.Generator
) -> float:
    """Return log(mean(p(row|latent) p(latent) / q(latent|row))) over latents drawn from q."""
    logs = []
    # As many samples at a time as fit into the cache of the CPU, with the tensors computed from them.
    at_once = max(1, min(model.runtime.rows_at_once, SAMPLE_CACHE_FLOATS // target.size))
    for start in range(0, samples, at_once):
        count = min(at_once, samples - start)
        noise = generator.standard_normal((count, len(mean)), np.float32)
        latents = (mean + np.exp(log_var / 2) * noise).astype(np.float32, copy=False)
        raw = model.runtime.decode_raw(
            latents, 0, model.runtime.condition_of(np.broadcast_to(target, (count, *target.shape)))
        )
        targets = np.broadcast_to(target, raw.shape)
        excess = (np.square(latents) - np.square(noise) - log_var).sum(axis=1, dtype=np.float64) / 2
        loss = model.loss.per_row(targets, raw, np, model.learnt)
        logs.append(-loss.astype(np.float64) - excess)
    left_out = np.sum(model.loss.left_out(target[None].astype(np.float64)))
    return float(np.logaddexp.reduce(np.concatenate(logs)) - np.log(samples) - left_out)


def _log_scale(model: Model, target: Floats) -> NDArray[np.float64] | float:
    """Return the logarithm of the scale of each row, (n,) or a number; 0 for probabilities, which have no units."""
    return model.adapter.log_scale(target) if model.loss.scaling == "standardise" else 0.0


def _check_posterior(model: Model, where: str, other: str = "") -> None:
    if "log_var" not in model.network.heads:
        raise OptionError(
            f"{where} needs a gaussian (VAE) bottleneck, got a {model.network.bottleneck.kind} one: fit with "
            f"bottleneck='gaussian' (--bottleneck gaussian){other}."
        )


def _generator(random_state: int | np.random.Generator | None) -> np.random.Generator:
    try:
        return np.random.default_rng(random_state)
    except (TypeError, ValueError) as error:
        raise OptionError(
            f"random_state must be None, a whole number of at least 0 or a generator, got {random_state!r:.60}."
        ) from error

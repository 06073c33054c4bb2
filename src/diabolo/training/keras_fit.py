"""`diabolo.training.fit`: the fit() of Keras on the compiled loop, for any compiled Keras model.

Order: fit, its settings, the training, the callbacks of Keras. `keras_rows` makes tensors of its rows, `keras_checks`
refuses models and rows that cannot be trained.
"""

import math
import numbers
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import keras
import numpy as np

from diabolo.checks import whole
from diabolo.errors import OptionError
from diabolo.training.keras_batches import Batches
from diabolo.training.keras_checks import build_steps, check_model
from diabolo.training.keras_rows import Given, Rows, Sizes, prepare
from diabolo.training.loop import epochs as run_epochs
from diabolo.training.program import VALIDATION_BATCH, KerasSteps, Measure, Tensors
from diabolo.training.progress import Progress, Report, display, verbosity
from diabolo.training.xla import choose


def fit(
    model: keras.Model,
    x: object,
    y: object = None,
    batch_size: int | None = None,
    epochs: int = 1,
    verbose: bool | int | str = "auto",
    callbacks: Sequence[keras.callbacks.Callback] | keras.callbacks.Callback | None = None,
    validation_split: float = 0.0,
    validation_data: object = None,
    shuffle: bool = True,
    class_weight: Mapping[int, float] | None = None,
    sample_weight: object = None,
    initial_epoch: int = 0,
    steps_per_epoch: int | None = None,
    validation_steps: int | None = None,
    validation_batch_size: int | None = None,
    validation_freq: int | Sequence[int] = 1,
    *,
    seed: int | None = None,
    compile: bool | None = None,
    steps_a_call: int | None = None,
    memory: int | str | None = None,
) -> keras.callbacks.History:
    """Train a compiled Keras model as `model.fit` does, with far fewer calls from Python; return the History of Keras.

    The model's own `train_step` and `test_step` run, so its loss, metrics and optimizer (with schedule, clipping,
    gradient accumulation, loss scaling) and everything it overrides have their effect.

    Args:
        model: compiled with `model.compile(...)`.
        x: arrays (n, ...), or a list or dict of them, as the model takes them; or batches (x, y) or (x, y,
            sample_weight) from a `tf.data.Dataset`, `keras.utils.PyDataset`, DataLoader or generator, in their order;
            or rows as `Autoencoder.fit` takes them (a file, a folder, a pattern, a memory-mapped array, chunks),
            unscaled, which are their own target.
        y: targets, arrays as for x; None: the target is x.
        batch_size: rows per step; the last step of an epoch may have fewer. None: 32, or with `steps_per_epoch` as
            many as make all rows an epoch.
        epochs: the number of the last epoch; epochs are counted from `initial_epoch`, as in Keras.
        verbose: 0 or False shows nothing, 1 or True a progress bar, 2 a line per epoch, "auto" a bar on a terminal or
            in a notebook and otherwise nothing. A notebook shows it on stdout, everything else on stderr.
        callbacks: callbacks of Keras. Those for epochs and for the training are called as Keras calls them; those for
            batches are called after each call of the compiled program, with the number of the last batch done.
        validation_split: fraction of the rows to validate on: the last rows of arrays, rows drawn with the seed
            otherwise.
        validation_data: (x, y) or (x, y, sample_weight), arrays; or batches of them; replaces the split.
        shuffle: whether each epoch has a new order of rows; batches keep their own.
        class_weight: weight of the rows of each class, {class: weight}, where y are whole numbers or one-hot.
        sample_weight: weight of each row, (n,).
        initial_epoch: number of epochs that are already done.
        steps_per_epoch: batches in an epoch; the next epoch goes on where this one ends. None: all rows, or all
            batches.
        validation_steps: how many batches of the validation rows to use; None: all.
        validation_batch_size: rows in a batch of the validation; None: 1,024, which gives the same loss.
        validation_freq: validate after each so many epochs, or after the epochs in a list, counted from 1.
        seed: of the order of rows; None draws one.
        compile: True or False turns XLA on or off; None chooses (see xla.py), and leaves it off for batches. The
            `jit_compile` of the model is ignored, because Keras sets it by itself.
        steps_a_call: steps per call of the compiled program; None: as many as take half a second.
        memory: limit for rows that are not arrays, in bytes or such as "2GB"; larger data is read in chunks. None: a
            quarter of the free memory.

    Raises: OptionError, ShapeError where the model is not compiled or arrays do not fit each other or the model;
        DataError for rows of text, or with NaN that makes the loss NaN.
    """
    hooks = _callbacks(callbacks)
    check_model(model, hooks)
    sizes = Sizes(batch_size, steps_a_call, steps_per_epoch, validation_steps, validation_batch_size)
    settings = _checked(validation_split, epochs, initial_epoch, sizes, validation_freq, seed, verbose, shuffle)
    given = Given(x, y, sample_weight, class_weight, settings.shuffle, settings.validation_split, validation_data)
    rows = prepare(model, given, settings.sizes, settings.seed, memory)
    _train(model, rows, hooks, settings, compile)
    return model.history


class _Settings(NamedTuple):
    """The settings of a training, checked."""

    validation_split: float
    epochs: int
    first_epoch: int
    sizes: Sizes
    due: Callable[[int], bool]  # whether to validate after an epoch, counted from 1
    seed: int
    verbose: int | str
    shuffle: bool


def _checked(
    validation_split: float,
    epochs: int,
    initial_epoch: int,
    sizes: Sizes,
    validation_freq: object,
    seed: int | None,
    verbose: bool | int | str,
    shuffle: bool,
) -> _Settings:
    """Return the settings that the user passed to `fit`. Raises OptionError."""
    share = _fraction(validation_split)
    epochs, first_epoch = whole("epochs", epochs, 1), whole("initial_epoch", initial_epoch, 0)
    sizes, due = sizes.checked(), _frequency(validation_freq)
    seed = int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else whole("seed", seed, 0)
    level = verbosity(verbose)
    if not isinstance(shuffle, (bool, np.bool_)):
        raise OptionError(f"shuffle must be True or False, got {shuffle!r:.60}.")
    return _Settings(share, epochs, first_epoch, sizes, due, seed, level, bool(shuffle))


def _fraction(share: float) -> float:
    """Return validation_split. Raises OptionError where it is not a number in [0, 1)."""
    value: object = share
    if not isinstance(value, numbers.Real) or not 0 <= float(value) < 1:
        raise OptionError(f"validation_split must be in [0, 1), got {share!r:.60}.")
    return share


def _frequency(written: object) -> Callable[[int], bool]:
    """Return whether to validate after an epoch, counted from 1. Raises OptionError."""
    if isinstance(written, (list, tuple, set, range, np.ndarray)):
        epochs = {whole("validation_freq", each, 1) for each in written}
        return epochs.__contains__
    every = whole("validation_freq", written, 1)
    return lambda epoch: epoch % every == 0


def _callbacks(given: object) -> list[keras.callbacks.Callback]:
    """Return callbacks as a list. Raises OptionError for anything else."""
    if given is None or isinstance(given, keras.callbacks.Callback):
        return [] if given is None else [given]
    if isinstance(given, (list, tuple)):
        return list(given)
    raise OptionError(f"callbacks must be a list of keras.callbacks.Callback, got {given!r:.60}.")


def _train(
    model: keras.Model,
    rows: Rows,
    callbacks: Sequence[keras.callbacks.Callback],
    settings: _Settings,
    compile: bool | None,
) -> None:
    """Train a model on rows. Args: compile: whether with XLA; None: chosen, and without for batches."""
    windows, batch_size, sizes = rows.windows, rows.batch_size, settings.sizes
    epochs, first_epoch = settings.epochs, settings.first_epoch
    if isinstance(windows, Batches):
        compile = bool(compile)
    steps = build_steps(model, rows)
    hooks = _callback_list(model, callbacks, settings.verbose, epochs, math.ceil(windows.rows / batch_size))
    with display(settings.verbose) as report:
        program, _ = choose(compile, model, steps, windows, batch_size, epochs=epochs - first_epoch)
        measure = None
        if rows.validation is not None:
            size = sizes.validation_batch_size or VALIDATION_BATCH
            measure = _Sometimes(steps, rows.validation, size, settings.due, first_epoch)
        run = run_epochs(
            program, measure, windows, epochs=epochs, first_epoch=first_epoch, steps_a_call=sizes.steps_a_call
        )
        _follow(hooks, model, run, first_epoch, epochs, report)


class _Sometimes(Measure):
    """The validation, after some epochs only.

    Args: due: whether to validate after an epoch, counted from 1; done: epochs that are already done.
    """

    def __init__(
        self, steps: KerasSteps, data: Tensors, batch_size: int, due: Callable[[int], bool], done: int
    ) -> None:
        super().__init__(steps, data, batch_size)
        self._due, self._epoch = due, done

    def run(self) -> dict[str, float]:
        """Return the results of the validation rows; nothing if they are not due."""
        self._epoch += 1
        return super().run() if self._due(self._epoch) else {}


def _callback_list(
    model: keras.Model,
    callbacks: Sequence[keras.callbacks.Callback] | None,
    verbose: int | str,
    epochs: int,
    steps: int,
) -> keras.callbacks.CallbackList:
    """Return the callbacks as Keras calls them, with its History."""
    model.stop_training = False
    return keras.callbacks.CallbackList(
        list(callbacks or []),
        add_history=True,
        verbose=1 if verbose == "auto" else verbose,  # for callbacks that print something themselves
        epochs=epochs,
        steps=steps,
        model=model,
    )


def _follow(
    hooks: keras.callbacks.CallbackList,
    model: keras.Model,
    run: Iterator[Progress],
    first_epoch: int,
    epochs: int,
    report: Report,
) -> None:
    """Train, report the progress, and call the callbacks of Keras where Keras calls them."""
    hooks.on_train_begin()
    hooks.on_epoch_begin(first_epoch)
    logs: dict[str, float] = {}
    batch = 0
    for progress in run:
        report(progress)
        logs = progress.logs
        hooks.on_train_batch_begin(batch)
        hooks.on_train_batch_end(progress.step - 1, {k: v for k, v in logs.items() if not k.startswith("val_")})
        batch = progress.step
        if progress.epoch_done:
            hooks.on_epoch_end(progress.epoch - 1, logs)
            if model.stop_training:
                break
            if progress.epoch < epochs:
                batch = 0
                hooks.on_epoch_begin(progress.epoch)
    hooks.on_train_end(logs)

"""Loads TensorFlow, makes it as quiet as it was asked to be, and hands arrays over."""

import contextlib
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from importlib import metadata
from typing import Any

import numpy as np

from diabolo.training.progress import in_notebook

# The full width of the registers: where these have 512 bits, dense networks train up to a tenth faster.
# XLA ends the process over a flag that it does not know, so it is set only for versions of TensorFlow that it was tried
# with, and only where the user set none.
XLA_FLAGS = "--xla_cpu_prefer_vector_width=512"
TRIED_WITH = ("2.21.",)


def load_tensorflow() -> None:
    """Import TensorFlow and Keras.

    TF_CPP_MIN_LOG_LEVEL tells TensorFlow what not to log, but its import logs before it reads that
    (tensorflow/tensorflow#100442); where the variable is set, what the import writes to stderr is held back, and shown
    only if the import fails.
    """
    if "tensorflow" in sys.modules:
        return
    with _log_level_of_notebooks() if in_notebook() else contextlib.nullcontext():
        quiet = os.environ.get("TF_CPP_MIN_LOG_LEVEL", "0") not in ("", "0")
        with _held_back() if quiet else contextlib.nullcontext():
            import keras
            import tensorflow

            assert keras.backend.backend() == "tensorflow", "the loop is written for Keras on TensorFlow"
            del tensorflow


@contextlib.contextmanager
def flags_for_xla() -> Iterator[None]:
    """Set XLA_FLAGS around the first use of XLA, which reads them once; afterwards the environment is as it was.

    Left there, other programs that the user starts would read them, and end if their XLA does not know them.
    """
    if not _FLAGS_ARE_READ.acquire(blocking=False):
        yield
        return
    set_here = False
    with contextlib.suppress(metadata.PackageNotFoundError):  # it is there under another name, as tensorflow-cpu is
        set_here = "XLA_FLAGS" not in os.environ and metadata.version("tensorflow").startswith(TRIED_WITH)
    if set_here:
        os.environ["XLA_FLAGS"] = XLA_FLAGS
    try:
        yield
    finally:
        if set_here:
            del os.environ["XLA_FLAGS"]


_FLAGS_ARE_READ = threading.Lock()  # taken by the first who uses XLA, and kept


def tensor(values: Any) -> Any:
    """Return an array as a tensor, without a copy where that can be: then it changes when the array does."""
    import tensorflow as tf

    if isinstance(values, tf.Tensor):
        return values
    array = np.asarray(values)
    on_processor = not tf.config.list_logical_devices("GPU")
    # TensorFlow copies arrays, at a tenth of the speed of memory and through a second copy; a DLPack capsule is taken
    # as it is, if its rows lie one behind the other where the processor likes them.
    plain = array.dtype.kind in "iuf" and array.dtype.isnative and array.flags.carray
    if on_processor and plain and array.size and array.ctypes.data % 64 == 0:
        return tf.experimental.dlpack.from_dlpack(array.__dlpack__())
    return tf.constant(array)


@contextlib.contextmanager
def _log_level_of_notebooks() -> Iterator[None]:
    """Have TensorFlow log nothing while it is imported, which decides it for good, unless the user set a level.

    A notebook shows stderr as if something had failed, and this log is about processors and drivers.
    """
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ:
        yield
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    try:
        yield
    finally:
        del os.environ["TF_CPP_MIN_LOG_LEVEL"]


@contextlib.contextmanager
def _held_back() -> Iterator[None]:
    """Send file descriptor 2 to a temporary file; show what it holds if the body raises."""
    try:
        original = os.dup(2)
    except OSError:  # stderr is closed: there is nothing to hold back
        yield
        return
    with tempfile.TemporaryFile() as kept:
        sys.stderr.flush()
        os.dup2(kept.fileno(), 2)
        failed = True
        try:
            yield
            failed = False
        finally:
            sys.stderr.flush()
            os.dup2(original, 2)
            os.close(original)
            if failed:
                kept.seek(0)
                sys.stderr.write(kept.read().decode(errors="replace"))

"""Importing TensorFlow, with the log level that the user set, and turning arrays into tensors without a copy."""

import contextlib
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from diabolo import missing
from diabolo.data.adapters.rows import aligned
from diabolo.training.progress import in_notebook

if TYPE_CHECKING:
    import tensorflow as tf

# Vectors as wide as the registers: where these have 512 bits, dense networks train up to 10 % faster.
# XLA ends the process for an unknown flag, so it is set only for versions of TensorFlow that it was tested with, and
# only where the user set none.
XLA_FLAGS = "--xla_cpu_prefer_vector_width=512"
TESTED_WITH = ("2.21.",)


def load_tensorflow() -> None:
    """Import TensorFlow and Keras.

    TF_CPP_MIN_LOG_LEVEL is the lowest level that TensorFlow logs, but its import logs before it reads that variable
    (tensorflow/tensorflow#100442). Where the user set it, the stderr of the import is captured, and shown only if the
    import fails.
    """
    if "tensorflow" in sys.modules:
        return
    for module in ("tensorflow", "keras"):
        missing.check(module, "training")
    with _log_level_of_notebooks() if in_notebook() else contextlib.nullcontext():
        quiet = os.environ.get("TF_CPP_MIN_LOG_LEVEL", "0") not in ("", "0")
        with _captured_stderr() if quiet else contextlib.nullcontext():
            import keras
            import tensorflow

            assert keras.backend.backend() == "tensorflow", "the loop is written for Keras on TensorFlow"
            del tensorflow


@contextlib.contextmanager
def flags_for_xla() -> Iterator[None]:
    """Set XLA_FLAGS during the first use of XLA, which reads them once; then restore the environment.

    Otherwise other programs that the user starts would read them too, and end if their XLA does not know the flag.
    """
    if not _FLAGS_ARE_READ.acquire(blocking=False):
        yield
        return
    import tensorflow as tf

    set_here = "XLA_FLAGS" not in os.environ and tf.__version__.startswith(TESTED_WITH)
    if set_here:
        os.environ["XLA_FLAGS"] = XLA_FLAGS
    try:
        yield
    finally:
        if set_here:
            del os.environ["XLA_FLAGS"]


_FLAGS_ARE_READ = threading.Lock()  # acquired by the first use of XLA, and never released


def has_bfloat16() -> bool | None:
    """Return whether the processor has instructions for products of bfloat16; None: unknown, as outside Linux."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            flags = {flag for line in file if line.startswith(("flags", "Features")) for flag in line.split()}
    except OSError:
        return None
    return bool(flags & {"avx512_bf16", "amx_bf16", "bf16"})


def tensor(values: "ArrayLike | tf.Tensor") -> "tf.Tensor":
    """Return an array as a tensor of its shape and type, without a copy if possible; then they share their memory."""
    import tensorflow as tf

    if isinstance(values, tf.Tensor):
        return values
    array = np.asarray(values)
    on_processor = not tf.config.list_logical_devices("GPU")
    # TensorFlow copies arrays, twice and at a tenth of the speed of memory; it uses a DLPack capsule without a copy if
    # the array is contiguous and aligned to 64 bytes.
    plain = array.dtype.kind in "iuf" and array.dtype.isnative
    if on_processor and plain and array.size:
        if array.ctypes.data % 64 or not array.flags.carray:  # carray: in one piece, and not read-only
            copy = aligned(array.shape, array.dtype)
            copy[...] = array
            array = copy
        return tf.experimental.dlpack.from_dlpack(array.__dlpack__())
    return tf.constant(array)


@contextlib.contextmanager
def _log_level_of_notebooks() -> Iterator[None]:
    """Turn off the log of TensorFlow, unless the user set a level; it reads the level once, when it is imported.

    A notebook shows stderr like an error, and this log is about processors and drivers.
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
def _captured_stderr() -> Iterator[None]:
    """Send file descriptor 2 to a temporary file; show what it holds if the body raises."""
    try:
        original = os.dup(2)
    except OSError:  # stderr is closed: nothing to capture
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

"""Checkpoints: the state of a training in one file, from which it continues with the same bits.

A `.safetensors` file like the model file: every variable of the training as a tensor (weights, state of the optimizer
and of the random generators), the history as JSON, a checksum over both. It is written under a temporary name in the
same folder and then renamed, so that a process that is killed while it writes leaves the previous checkpoint. Needs no
TensorFlow. Order: the state, writing, reading.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from diabolo.errors import CheckpointError
from diabolo.storage.files import read_file, write_atomically

Array = np.ndarray[Any, Any]

FORMAT_VERSION = 1
INVALID = (SafetensorError, ValueError, KeyError, TypeError, RecursionError)  # what invalid bytes raise
VARIABLES, BEST = "variable", "best"  # prefixes of the names of tensors

Json: TypeAlias = bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"] | None


class State(NamedTuple):
    """The state of a training; with it and the same spec and shard, training continues with the same bits."""

    variables: list[Array] | None  # those of `Reconstruction.variables`; None: the initial ones
    history: dict[str, list[float]]  # one number per epoch that has ended
    best_epoch: int  # from 1; 0: none so far
    best_weights: list[Array] | None
    step: int = 0  # steps done of the epoch that has not ended
    validation: dict[str, float] | None = None  # results of the last validation, shown until the next
    compiled: bool | None = None  # whether XLA compiled the program, on which the bits depend; None: unknown

    @property
    def epochs(self) -> int:
        """Number of epochs that have ended."""
        return len(self.history.get("loss", []))


def write(path: Path, state: State, identity: str) -> None:
    """Write a checkpoint, over an existing file if there is one. Raises OutputError where the file cannot be written.

    Args:
        path: of the file.
        state: of the training.
        identity: a text that identifies the training; `read` refuses a checkpoint with another one.
    """
    write_atomically(path, lambda file: file.write(to_bytes(state, identity)), force=True)


def to_bytes(state: State, identity: str) -> bytes:
    """Return the bytes of a checkpoint; arguments as for `write`."""
    groups = {VARIABLES: state.variables, BEST: state.best_weights}
    tensors = {
        f"{name}/{at:05d}": np.asarray(value, order="C")
        for name, values in groups.items()
        for at, value in enumerate(values or [])
    }
    config: dict[str, Json] = {
        "format_version": FORMAT_VERSION,
        "identity": identity,
        "history": state.history,
        "best_epoch": state.best_epoch,
        "step": state.step,
        "validation": state.validation,
        "compiled": state.compiled,
        "has": [name for name, values in groups.items() if values is not None],
    }
    config["sha256"] = _checksum(config, tensors)
    return bytes(save_tensors(tensors, metadata={"checkpoint": json.dumps(config)}))


def read(path: Path, identity: str) -> State:
    """Return the state in a checkpoint.

    Raises: CheckpointError where the file cannot be read, is damaged, or belongs to another training.
    """
    try:
        content = read_file(path)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}.") from error
    try:
        state, found = from_bytes(content)
    except INVALID as error:
        raise CheckpointError(
            f"{path} is not a valid checkpoint ({error!s:.120}): delete it, or choose another."
        ) from error
    if found != identity:
        raise CheckpointError(
            f"{path} belongs to another training, with other rows, settings or versions. Choose another folder, or "
            f"delete it to start again."
        )
    return state


def from_bytes(content: bytes) -> tuple[State, str]:
    """Return state and identity. Raises an error of `INVALID` for invalid bytes."""
    tensors = load_tensors(content)
    config = json.loads(_metadata(content)["checkpoint"])
    if config["format_version"] != FORMAT_VERSION:
        raise ValueError(f"format version {config['format_version']}, expected {FORMAT_VERSION}")
    if config.pop("sha256") != _checksum(config, tensors):
        raise ValueError("the checksum does not fit the content")
    groups = {
        name: [tensors[key] for key in sorted(tensors) if key.startswith(f"{name}/")] if name in config["has"] else None
        for name in (VARIABLES, BEST)
    }
    rest = {name: config[name] for name in ("history", "best_epoch", "step", "validation", "compiled")}
    return State(variables=groups[VARIABLES], best_weights=groups[BEST], **rest), config["identity"]


def _metadata(content: bytes) -> Any:
    length = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + length])["__metadata__"]


def _checksum(config: Mapping[str, Json], tensors: dict[str, Array]) -> str:
    digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode())
    for name in sorted(tensors):
        value = tensors[name]
        digest.update(f"{name} {value.dtype} {value.shape}".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()

"""Checkpoints: where a training stands, in one file from which it goes on as if it had never stopped.

A `.safetensors` file like the model file: every variable of the training as a tensor (weights, state of the optimizer,
what chance will draw next), the history as JSON, a checksum over both. It is written beside its place and put there in
one step, so that whoever is killed in the middle leaves the checkpoint before. Needs no TensorFlow.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from diabolo.errors import CheckpointError
from diabolo.storage.files import read_file, write_atomically

Array = np.ndarray[Any, Any]

FORMAT_VERSION = 1
LEARNT, BEST = "variable", "best"  # what the names of tensors begin with


class State(NamedTuple):
    """Where a training stands: with this and the same spec and shard it goes on as if unbroken."""

    variables: list[Array] | None  # of `Reconstruction.variables`; None: as they are at the start
    history: dict[str, list[float]]  # of the epochs that have ended
    best_epoch: int
    best_weights: list[Array] | None
    step: int = 0  # steps done of the epoch that has not ended
    validation: dict[str, float] | None = None  # what the last validation said, to be shown until the next
    compiled: bool | None = None  # whether XLA made the program, on which the bits depend; None: not known

    @property
    def epochs(self) -> int:
        """Epochs that have ended."""
        return len(self.history.get("loss", []))


def write(path: Path, state: State, identity: str) -> None:
    """Write a checkpoint over the one before. Raises OutputError where the disk says no.

    Args: identity: of the training; `read` gives a checkpoint to no other.
    """
    write_atomically(path, lambda file: file.write(to_bytes(state, identity)), force=True)


def to_bytes(state: State, identity: str) -> bytes:
    """Return the bytes of a checkpoint."""
    groups = {LEARNT: state.variables, BEST: state.best_weights}
    tensors = {
        f"{name}/{at:05d}": np.asarray(value, order="C")
        for name, values in groups.items()
        for at, value in enumerate(values or [])
    }
    config = {
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
    """Return the state in a checkpoint. Raises CheckpointError where it is damaged, or of another training."""
    try:
        content = read_file(path)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}.") from error
    try:
        state, found = from_bytes(content)
    except (SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(
            f"{path} is no sound checkpoint ({error!s:.120}): delete it, or choose another."
        ) from error
    if found != identity:
        raise CheckpointError(
            f"{path} is of another training: other rows, settings or versions. Choose another folder, or delete it to "
            f"start again."
        )
    return state


def from_bytes(content: bytes) -> tuple[State, str]:
    """Return state and identity; ValueError, KeyError, TypeError or SafetensorError where bytes are none."""
    tensors = load_tensors(content)
    config = json.loads(_metadata(content)["checkpoint"])
    if config["format_version"] != FORMAT_VERSION:
        raise ValueError(f"format version {config['format_version']}, expected {FORMAT_VERSION}")
    if config.pop("sha256") != _checksum(config, tensors):
        raise ValueError("the checksum does not fit the content")
    groups = {
        name: [tensors[key] for key in sorted(tensors) if key.startswith(f"{name}/")] if name in config["has"] else None
        for name in (LEARNT, BEST)
    }
    about = {name: config[name] for name in ("history", "best_epoch", "step", "validation", "compiled")}
    return State(variables=groups[LEARNT], best_weights=groups[BEST], **about), config["identity"]


def _metadata(content: bytes) -> Any:
    length = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + length])["__metadata__"]


def _checksum(config: dict[str, Any], tensors: dict[str, Array]) -> str:
    digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode())
    for name in sorted(tensors):
        value = tensors[name]
        digest.update(f"{name} {value.dtype} {value.shape}".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()

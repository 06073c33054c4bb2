"""A checkpoint gives back what was written, or says why it cannot."""

import numpy as np
import pytest

from diabolo.errors import CheckpointError
from diabolo.training import checkpoints
from diabolo.training.checkpoints import State


def some_state(rng):
    variables = [
        rng.normal(size=(3, 4)).astype(np.float32),
        np.int64(7),
        rng.normal(size=5),
        rng.integers(0, 2**32, 2, np.uint32),
    ]
    variables = [np.asarray(each) for each in variables]
    return State(variables, {"loss": [2.5, 1.25], "val_loss": [3.0, 0.1 + 0.2]}, 2, [variables[0] + 1])


def test_everything_comes_back_bit_for_bit(rng, tmp_path):
    state, path = some_state(rng), tmp_path / "c.safetensors"
    checkpoints.write(path, state, "this training")
    again = checkpoints.read(path, "this training")
    assert again.history == state.history
    assert again.best_epoch == 2
    for group in ("variables", "best_weights"):
        for one, other in zip(getattr(state, group), getattr(again, group), strict=True):
            assert (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())


def test_nothing_to_restore_stays_nothing(tmp_path):
    path = tmp_path / "c.safetensors"
    checkpoints.write(path, State(None, {}, 0, None), "t")
    assert checkpoints.read(path, "t") == State(None, {}, 0, None)


def test_the_checkpoint_of_another_training_is_refused(rng, tmp_path):
    checkpoints.write(tmp_path / "c", some_state(rng), "this training")
    with pytest.raises(CheckpointError, match="belongs to another training, with other rows, settings or versions"):
        checkpoints.read(tmp_path / "c", "another")


def test_every_byte_that_was_changed_and_every_cut_is_noticed(rng, tmp_path):
    content = checkpoints.to_bytes(some_state(rng), "t")
    path = tmp_path / "c"
    for at in rng.choice(len(content), 200, replace=False):
        damaged = bytearray(content)
        damaged[at] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError, match=r"is not a valid checkpoint|another training"):
            checkpoints.read(path, "t")
    for length in (0, 5, 8, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(CheckpointError, match="is not a valid checkpoint"):
            checkpoints.read(path, "t")


def test_a_checkpoint_that_is_not_there_says_so(tmp_path):
    with pytest.raises(CheckpointError, match="cannot be read: No such file"):
        checkpoints.read(tmp_path / "c", "t")

"""A training in a folder goes on where it was, whatever ended it, and ends with the bits of one that was not broken."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import diabolo
from diabolo import Autoencoder
from diabolo.errors import CheckpointError, DivergedError, OptionError, OutputError
from diabolo.training import checkpoints, runs
from diabolo.training.engines import Compiled

CHECKPOINTS = "0*-0*.safetensors"
SETTINGS = {"structure": [16], "random_state": 0, "verbose": False}

# Trains in sys.argv[2], or nowhere, and prints the bits of the latents. steps_a_call=1: it can stop at every step.
SCRIPT = """
import hashlib, os, sys
import numpy as np
from diabolo import Autoencoder
from diabolo.training import runs
from diabolo.training.engines import Compiled
runs.SHARE, runs.SECONDS_BETWEEN = 0, 0.05

class Own(Autoencoder):
    def fit(self, X, **more):
        return super().fit(X, engine=Compiled(compile=COMPILED, steps_a_call=3), **more)

kind, folder = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None
rng = np.random.default_rng(0)
if kind == "conv":
    rows = rng.integers(0, 255, (300, 12, 12), np.uint8)
    model = Own(4, structure="conv 4-8", batch_size=32, epochs=EPOCHS, random_state=0, verbose=False)
else:
    rows = rng.normal(size=(3000, 20)).astype(np.float32)
    settings = {"corruption": "gaussian:0.1", "optimizer": "adamw:0.1", "patience": 3}
    model = Own(4, structure=[32], batch_size=32, epochs=EPOCHS, random_state=0, verbose=False, **settings)
resume = folder is not None and any(name.endswith(".json") for name in os.listdir(folder))
model.fit(rows, run=folder, resume=resume)
print(hashlib.sha256(model.encode(rows).tobytes()).hexdigest(), len(model.history_["loss"]))
"""


def start(kind, compiled, *folder, epochs=12):
    script = SCRIPT.replace("COMPILED", str(compiled)).replace("EPOCHS", str(epochs))
    return subprocess.Popen([sys.executable, "-c", script, kind, *folder], stdout=subprocess.PIPE, text=True)


def kill_until_done(kind, compiled, folder, seconds):
    """Start a training again and again, killed after so many seconds each, then let it end; return what it prints."""
    for after in seconds:
        process, seen = start(kind, compiled, str(folder)), len(list(folder.glob(CHECKPOINTS)))
        deadline = time.monotonic() + 120
        # Of a training that has not begun yet there is nothing to kill: wait until it writes.
        while len(list(folder.glob(CHECKPOINTS))) <= min(seen, 1) and time.monotonic() < deadline:
            if process.poll() is not None:
                break
            time.sleep(0.01)
        time.sleep(after)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    out, _ = start(kind, compiled, str(folder)).communicate(timeout=300)
    return out.strip()


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "compiled", "seconds"), [("dense", True, (0.0, 0.3)), ("conv", False, (0.1,))])
def test_a_killed_training_ends_with_the_bits_of_one_that_was_not(kind, compiled, seconds, tmp_path):
    whole, _ = start(kind, compiled).communicate(timeout=300)
    assert kill_until_done(kind, compiled, tmp_path, seconds) == whole.strip()


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "compiled"), [("dense", False), ("dense", True), ("conv", False), ("conv", True)])
def test_trainings_killed_at_random_moments_end_with_the_same_bits(kind, compiled, tmp_path, rng):
    whole, _ = start(kind, compiled).communicate(timeout=300)
    for turn in range(5):
        folder = tmp_path / str(turn)
        folder.mkdir()
        assert kill_until_done(kind, compiled, folder, rng.uniform(0, 1.5, 2)) == whole.strip()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_step_writes_and_says_how_to_go_on(number, code, tmp_path):
    command = [sys.executable, "-m", "diabolo", "fit", "digits", "--epochs", "30", "--run", "a", "-o", "m"]
    quiet = {"stderr": subprocess.PIPE, "stdout": subprocess.DEVNULL}
    with subprocess.Popen(command, cwd=tmp_path, text=True, **quiet) as process:
        for line in process.stderr:
            if line.startswith("epoch  2/"):
                process.send_signal(number)
                break
        err = process.stderr.read()
    assert process.returncode == code
    assert "a: stopped, go on with resume=True (--resume)" in err
    newest = max((tmp_path / "a").glob(CHECKPOINTS))
    state, _ = checkpoints.from_bytes(newest.read_bytes())
    assert state.epochs >= 2
    assert not (tmp_path / "m.safetensors").exists()


def test_stopped_and_gone_on_is_one_training(table, tmp_path):
    whole = Autoencoder(3, epochs=8, **SETTINGS).fit(table)
    folder = tmp_path / "runs" / "a"

    def stop(progress):
        if progress.epoch_done and progress.epoch == 3:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        Autoencoder(3, epochs=8, **SETTINGS).fit(table, run=folder, report=stop)
    again = Autoencoder(3, epochs=8, **SETTINGS).fit(table, run=folder, resume=True)
    np.testing.assert_array_equal(again.encode(table), whole.encode(table))
    assert again.history_ == whole.history_
    assert len(list(folder.glob(CHECKPOINTS))) == 2
    # A training that has ended is not trained again.
    seen = []
    ended = Autoencoder(3, epochs=8, **SETTINGS).fit(table, run=folder, resume=True, report=seen.append)
    assert seen == []
    assert ended.history_ == whole.history_
    np.testing.assert_array_equal(ended.encode(table), whole.encode(table))


def test_what_chance_and_advice_chose_stays_chosen(table, tmp_path):
    settings = {"structure": [16], "verbose": False, "optimizer": "auto", "epochs": 4, "random_state": None}
    first = Autoencoder(3, **settings).fit(table, run=tmp_path)
    again = Autoencoder(3, **settings).fit(table, run=tmp_path, resume=True)
    assert again.random_state_ == first.random_state_
    np.testing.assert_array_equal(again.encode(table), first.encode(table))


@pytest.fixture
def ended(table, tmp_path):
    """The folder of a training of four epochs."""
    folder = tmp_path / "a"
    Autoencoder(3, epochs=4, **SETTINGS).fit(table, run=folder)
    return folder


def go_on(rows, folder, **settings):
    return Autoencoder(**({"latent_dim": 3, "epochs": 4} | SETTINGS | settings)).fit(rows, run=folder, resume=True)


def test_a_damaged_checkpoint_is_named_and_the_one_before_it_is_taken(ended, table, caplog):
    newest, before = sorted(ended.glob(CHECKPOINTS), reverse=True)
    newest.write_bytes(newest.read_bytes()[:-100])
    seen = []
    model = Autoencoder(3, epochs=4, **SETTINGS).fit(table, run=ended, resume=True, report=seen.append)
    assert f"left out: {newest} is not a valid checkpoint" in caplog.text
    done = int(before.name[:6])
    assert [each.epoch for each in seen if each.epoch_done] == list(range(done + 1, 5))
    assert len(model.history_["loss"]) == 4
    for path in ended.glob(CHECKPOINTS):
        path.write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match=r"none of the 2 checkpoints in .* can be read"):
        go_on(table, ended)  # never from the start, in silence


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 3}, "trains for 4 epochs, got 3: leave epochs (--epochs) out to continue, give more, such as"),
        ({"structure": [8]}, "was begun with structure [16], got [8]: leave structure (--structure) out to continue"),
        ({"random_state": 1}, "was begun with random_state 0, got 1: leave random_state (--random-state) out"),
        ({"learning_rate": 0.1}, "was begun without learning_rate, got 0.1: leave learning_rate (--learning-rate) out"),
        ({"optimizer": "auto"}, "was begun without optimizer, got 'auto'"),
        ({"latent_dim": 2}, "with latent_dim 3, got 2: leave latent_dim (--latent) out"),
    ],
)
def test_another_training_is_refused(ended, table, change, message):
    with pytest.raises(CheckpointError) as caught:
        go_on(table, ended, **change)
    assert message in str(caught.value)


def test_a_run_goes_on_with_the_settings_that_it_was_begun_with(table, tmp_path):
    settings = {"latent_dim": 2, "structure": [16, 8], "epochs": 5, "batch_size": 32, "optimizer": "nadam"}
    settings |= {"bottleneck": "gaussian:beta=2", "penalty": "l2:0.001", "random_state": 3, "patience": 0}
    whole = Stepwise(**settings, verbose=False).fit(table)
    with pytest.raises(KeyboardInterrupt):
        Stepwise(**settings, verbose=False).fit(table, run=tmp_path, report=stop_at(2, 4))
    again = Stepwise(verbose=False).fit(table, run=tmp_path, resume=True)
    assert again.history_ == whole.history_
    assert again.model_.record.settings == whole.model_.record.settings
    np.testing.assert_array_equal(again.encode(table), whole.encode(table))


def test_layers_of_your_own_are_given_again(tmp_path, table):
    from diabolo.network.layers import Dense
    from scaled_layer import Scaled

    own = [Dense(units=6), Scaled()]
    with pytest.raises(KeyboardInterrupt):
        Stepwise(2, structure=own, epochs=3, verbose=False).fit(table, run=tmp_path, report=stop_at(2, 4))
    with pytest.raises(CheckpointError, match="has layers of your own: give the same structure again"):
        Stepwise(verbose=False).fit(table, run=tmp_path, resume=True)
    assert len(Stepwise(structure=own, verbose=False).fit(table, run=tmp_path, resume=True).history_["loss"]) == 3


def test_more_epochs_at_a_constant_rate_are_those_of_a_longer_training(table, tmp_path, caplog):
    settings = {"learning_rate_schedule": "constant", "corruption": "gaussian:0.1"} | SETTINGS
    whole = Stepwise(3, epochs=6, **settings).fit(table)
    Stepwise(3, epochs=4, **settings).fit(table, run=tmp_path)
    more = Stepwise(epochs=6).fit(table, run=tmp_path, resume=True)
    assert f"{tmp_path}: continues after epoch 4 up to epoch 6 (before: 4)" in caplog.messages
    assert more.history_ == whole.history_
    assert more.model_.record.settings == whole.model_.record.settings
    np.testing.assert_array_equal(more.encode(table), whole.encode(table))
    # An interrupted training gets them as well.
    with pytest.raises(KeyboardInterrupt):
        Stepwise(3, epochs=3, **settings).fit(table, run=tmp_path / "b", report=stop_at(2, 4))
    more = Stepwise(epochs=6).fit(table, run=tmp_path / "b", resume=True)
    np.testing.assert_array_equal(more.encode(table), whole.encode(table))


def test_more_epochs_get_a_new_cosine_and_a_kill_among_them_changes_no_bit(table, tmp_path, caplog):
    rates = []

    def watch(progress):
        if progress.epoch_done:
            step = progress.epoch * progress.steps
            rates.append(float(made[-1]._learning_rate(step)))

    class Watched(Autoencoder):
        def fit(self, X, **more):
            return super().fit(X, engine=Compiled(optimizer=watched, steps_a_call=2, compile=False), **more)

    def watched(job):
        from diabolo.training.engines.compiled import _optimizer

        made.append(_optimizer(job))
        return made[-1]

    made, settings = [], {"latent_dim": 3} | SETTINGS
    Watched(epochs=2, **settings).fit(table, run=tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    whole = Watched(epochs=8).fit(table, run=tmp_path / "a", resume=True, report=watch)
    assert "continues after epoch 2 up to epoch 8 (before: 2); the learning rate follows a new cosine" in caplog.text
    # Of a whole cosine over eight epochs, those after the second.
    expected = 1e-3 * 0.5 * (1 + np.cos(np.pi * np.arange(3, 9) / 8))
    np.testing.assert_allclose(rates, expected, atol=1e-9)
    with pytest.raises(KeyboardInterrupt):
        Watched(epochs=8).fit(table, run=tmp_path / "b", resume=True, report=stop_at(5, 4))
    again = Watched().fit(table, run=tmp_path / "b", resume=True)
    assert again.history_ == whole.history_
    np.testing.assert_array_equal(again.encode(table), whole.encode(table))
    with pytest.raises(CheckpointError, match="trains for 8 epochs, got 4"):
        Watched(epochs=4).fit(table, run=tmp_path / "b", resume=True)


def test_a_training_that_patience_ended_goes_on_if_it_gets_more_epochs(rng, tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "WRITING_DIVISOR", 0)  # a checkpoint after every epoch
    noise = rng.normal(size=(100, 8))  # which can only be learnt by heart
    settings = {"structure": [128], "learning_rate": 0.02, "patience": 3, "random_state": 0, "epochs": 60}
    first = Autoencoder(4, **settings, verbose=False).fit(noise, run=tmp_path)
    ended = len(first.history_["loss"])
    assert ended == first.best_epoch_ + 3 < 60
    more = Autoencoder(epochs=70, verbose=False).fit(noise, run=tmp_path, resume=True)
    assert more.history_["loss"][:ended] == first.history_["loss"]
    # Patience is counted again from there.
    assert len(more.history_["loss"]) == max(ended, more.best_epoch_) + 3
    # Without more epochs it has ended.
    assert Autoencoder(verbose=False).fit(noise, run=tmp_path, resume=True).history_ == more.history_


def test_what_has_ended_says_how_to_train_on(ended, table, caplog):
    go_on(table, ended)
    assert (
        f"{ended}: all of its 4 epochs are done; to continue, give more, such as epochs=8 (--epochs 8)" in caplog.text
    )


def test_the_command_that_continues_a_run_needs_its_data_and_folder_alone(cli, tmp_path, table):
    lines = [
        "name,a,b,c,d",
        *(f"n{at},{','.join(f'{value:.4f}' for value in row[:4])}" for at, row in enumerate(table)),
    ]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    first = ["--drop", "name", "--latent", 2, "--test-fraction", 0.3, "--learning-rate-schedule", "constant"]
    assert cli("fit", "t.csv", *first, "--epochs", 6, "-o", "whole").code == 0
    assert cli("fit", "t.csv", *first, "--epochs", 3, "-o", "m", "--run", "a").code == 0
    before = (tmp_path / "m.safetensors").read_bytes()
    again = cli("fit", "t.csv", "--run", "a", "--resume")
    assert again.code == 0
    assert "a: all of its 3 epochs are done; to continue, give more, such as epochs=6 (--epochs 6)" in again.err
    assert (tmp_path / "m.safetensors").read_bytes() == before
    more = cli("fit", "t.csv", "--run", "a", "--resume", "--epochs", 6)
    assert "a: continues after epoch 3 up to epoch 6 (before: 3)" in more.err
    assert (tmp_path / "m.safetensors").read_bytes() == (tmp_path / "whole.safetensors").read_bytes()
    for asked, message in [
        (
            ("--latent", 3),
            "a was begun with latent_dim 2, got 3: leave latent_dim (--latent) out to continue, or choose",
        ),
        (("--epochs", 5), "a trains for 6 epochs, got 5: leave epochs (--epochs) out to continue, give more, such as"),
        (("--drop", "name,a"), "a was begun with --drop name: leave --drop out to continue, or choose another folder"),
        (("--test-fraction", 0.1), "a was begun with --test-fraction 0.3: leave --test-fraction out to continue"),
        (("--types", "a=count"), "a was begun without --types: leave --types out to continue"),
        (("--preset", "vae"), "a was begun with bottleneck 'plain', got 'gaussian'"),
    ]:
        refused = cli("fit", "t.csv", "--run", "a", "--resume", *asked)
        assert (refused.code, refused.err.count("\n")) == (2, 1)
        assert message in refused.err
    # The same once more is no contradiction, whatever the default is.
    assert cli("fit", "t.csv", "--run", "a", "--resume", *first).code == 0
    # What the run has not written itself is not replaced.
    (tmp_path / "m-training.png").write_bytes(b"a drawing")
    kept = cli("fit", "t.csv", "--run", "a", "--resume", "--epochs", 7, "--pictures")
    assert kept.code == 2
    assert "m-training.png exists" in kept.err
    assert cli("fit", "t.csv", "--run", "a", "--resume", "--epochs", 7, "-o", "other").code == 0


def test_other_rows_are_refused_and_other_versions_reported(ended, table, caplog):
    other = table.copy()
    other[5, 0] += 1
    with pytest.raises(CheckpointError, match="is a training on other rows: give those, or choose another folder"):
        go_on(other, ended)
    about = json.loads((ended / "run.json").read_text())
    about["versions"]["tensorflow"] = "1.0"
    (ended / "run.json").write_text(json.dumps(about))
    (ended / ".000009-000000.safetensors.abc").write_bytes(b"half")  # what a kill in the middle of writing leaves
    go_on(table, ended)
    assert not list(ended.glob(".*"))
    assert "may differ from that of an uninterrupted training" in caplog.text
    (ended / "run.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"run.json cannot be read .* start again without resume"):
        go_on(table, ended)


def test_a_folder_is_begun_once_and_gone_on_with_only_where_there_is_something(ended, table, tmp_path):
    with pytest.raises(CheckpointError, match=r"holds a training: go on with resume=True \(--resume\)"):
        Autoencoder(3, **SETTINGS).fit(table, run=ended)
    with pytest.raises(CheckpointError, match="holds no training to go on with"):
        Autoencoder(3, **SETTINGS).fit(table, run=tmp_path / "new", resume=True)
    assert not (tmp_path / "new").exists()
    with pytest.raises(OptionError, match="needs the folder of the run"):
        Autoencoder(3, **SETTINGS).fit(table, resume=True)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be the folder of a run"):
        Autoencoder(3, **SETTINGS).fit(table, run=tmp_path / "file")


def test_files_of_others_in_the_folder_are_left_alone(table, tmp_path):
    theirs = ["mnist-test.safetensors", "0-mine.safetensors", ".backup.safetensors.gz", "000001-x.safetensors"]
    for name in theirs:
        (tmp_path / name).write_text(name)
    Autoencoder(3, epochs=4, **SETTINGS).fit(table, run=tmp_path)
    assert len(list(tmp_path.glob(CHECKPOINTS))) == 2
    with pytest.raises(CheckpointError, match="holds a training"):
        Autoencoder(3, epochs=4, **SETTINGS).fit(table, run=tmp_path)
    go_on(table, tmp_path)
    assert [(tmp_path / name).read_text() for name in theirs] == theirs
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "lock").write_text("of my door")
    with pytest.raises(CheckpointError, match="lock is not a lock file of Diabolo and is left as it is"):
        Autoencoder(3, epochs=4, **SETTINGS).fit(table, run=tmp_path / "other")
    assert (tmp_path / "other" / "lock").read_text() == "of my door"


def test_the_newest_of_a_million_steps_is_the_newest(ended):
    newest = max(ended.glob(CHECKPOINTS))
    later, latest = (newest.with_name(f"000004-{step}.safetensors") for step in (999_999, 1_000_000))
    for path in (later, latest):
        shutil.copy(newest, path)
    with runs.Run(ended, resume=True) as run:
        assert run._checkpoints() == [latest, later, newest, min(ended.glob(CHECKPOINTS))]


def test_the_last_valid_checkpoint_outlives_damaged_newer_ones(table, tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "WRITING_DIVISOR", 0)  # a checkpoint after every epoch
    with pytest.raises(KeyboardInterrupt):
        Stepwise(3, epochs=6, **SETTINGS).fit(table, run=tmp_path, report=stop_at(2, 9))
    valid = max(tmp_path.glob(CHECKPOINTS))
    for epochs in (4, 5):
        (tmp_path / f"00000{epochs}-000000.safetensors").write_bytes(b"damaged")

    def look(progress):
        if progress.epoch_done and progress.epoch == 3:
            assert valid.exists()
        elif progress.epoch_done and progress.epoch == 4:
            raise ZeroDivisionError  # killed after the checkpoint of epoch 3

    with pytest.raises(ZeroDivisionError):
        Stepwise(3, epochs=6, **SETTINGS).fit(table, run=tmp_path, resume=True, report=look)
    assert checkpoints.from_bytes((tmp_path / "000003-000000.safetensors").read_bytes())[0].epochs == 3
    assert len(Stepwise(3, epochs=6, **SETTINGS).fit(table, run=tmp_path, resume=True).history_["loss"]) == 6


def test_checkpoints_that_are_gone_are_no_reason_to_begin_again_in_silence(ended, table):
    for path in ended.glob(CHECKPOINTS):
        path.unlink()
    with pytest.raises(CheckpointError, match="had checkpoints, and they are gone"):
        go_on(table, ended)


def test_a_run_read_in_parts_says_which_memory_it_needs_and_that_its_file_changed(tmp_path, caplog):
    rows, more, where = rows_of("streamed", None, tmp_path)
    settings = {"latent_dim": 3, "epochs": 3} | SETTINGS | more
    with pytest.raises(KeyboardInterrupt):
        Stepwise(**settings).fit(rows, run=tmp_path / "run", report=stop_at(*where))
    with pytest.raises(
        CheckpointError, match=r"read in chunks within 4 MB of memory, now .* within 8 MB.*--memory 4000000"
    ):
        Stepwise(**settings | {"memory": "8MB"}).fit(rows, run=tmp_path / "run", resume=True)
    os.utime(rows, (0, 0))
    Stepwise(**settings).fit(rows, run=tmp_path / "run", resume=True)
    assert "the data files have changed since the training began" in caplog.text


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with names")
def test_what_is_no_checkpoint_is_named_and_neither_waited_for_nor_a_bug(ended, table, caplog):
    os.mkfifo(ended / "000099-000000.safetensors")
    deep = json.dumps({"__metadata__": {"checkpoint": "[" * 100_000}}).encode()
    (ended / "000098-000000.safetensors").write_bytes(len(deep).to_bytes(8, "little") + deep)
    go_on(table, ended)
    assert "it is a pipe or a device" in caplog.text
    assert "000098-000000.safetensors is not a valid checkpoint" in caplog.text
    (ended / "run.json").write_text("[" * 200_000)
    with pytest.raises(CheckpointError, match=r"run.json cannot be read"):
        go_on(table, ended)


def test_a_second_process_learns_which_process_trains_here(ended, table):
    with (
        runs.Run(ended, resume=True),
        pytest.raises(CheckpointError, match=f"is in use by process {os.getpid()}: wait for it"),
    ):
        go_on(table, ended)
    go_on(table, ended)  # let go of


def test_a_run_outside_the_main_thread_holds_no_signals(table, tmp_path):
    fitted = []

    def work():
        fitted.append(Autoencoder(3, epochs=2, **SETTINGS).fit(table, run=tmp_path))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert len(fitted[0].history_["loss"]) == 2


class Poisoned(Autoencoder):
    """An estimator that breaks in its third epoch, by the rate."""

    def fit(self, X, **more):
        return super().fit(X, engine=Compiled(optimizer=rising_in_epoch_3, steps_a_call=1, compile=False), **more)


def rising_in_epoch_3(job):
    import keras

    steps = -(-job.shard.row_count // job.batch_size)
    rising = keras.optimizers.schedules.PiecewiseConstantDecay([2 * steps], [1e-3, 1e30])
    return keras.optimizers.SGD(rising)


def test_a_run_that_diverges_after_an_interruption_keeps_the_epochs_before(table, tmp_path, monkeypatch):
    settings = {"latent_dim": 3, "epochs": 6, "validation_fraction": 0} | SETTINGS
    with pytest.raises(KeyboardInterrupt):
        Poisoned(**settings).fit(table, run=tmp_path, report=stop_at(2, 10))
    model = Poisoned(**settings)
    monkeypatch.setattr(runs, "SECONDS_BETWEEN", 0)  # amid an epoch too
    with pytest.raises(DivergedError):
        model.fit(table, run=tmp_path, resume=True)
    assert np.isfinite(model.encode(table)).all()
    assert len(model.history_["loss"]) == 2
    for each in tmp_path.glob(CHECKPOINTS):
        state, _ = checkpoints.from_bytes(each.read_bytes())
        assert all(np.isfinite(value).all() for value in state.variables or [] if value.dtype.kind == "f")


def test_what_diverges_leaves_the_epochs_before(table, tmp_path):
    model = Poisoned(3, epochs=6, **SETTINGS)
    with pytest.raises(DivergedError, match=r"in epoch 3, by step \d+ of \d+, at a learning rate of 1e\+30") as caught:
        model.fit(table, run=tmp_path)
    assert caught.value.exit_code == 3
    assert len(model.history_["loss"]) == 2
    assert np.isfinite(model.encode(table)).all()
    path = model.save(tmp_path / "last")
    np.testing.assert_array_equal(caught.value.model.encode(table), model.encode(table))
    assert np.isfinite(diabolo.load(path).reconstruct(table)).all()
    for each in tmp_path.glob(CHECKPOINTS):
        state, _ = checkpoints.from_bytes(each.read_bytes())
        assert all(np.isfinite(value).all() for value in state.variables or [] if value.dtype.kind == "f")


class Stepwise(Autoencoder):
    """An estimator that can be stopped at every second step."""

    def fit(self, X, **more):
        return super().fit(X, engine=Compiled(steps_a_call=2, compile=False), **more)


def stop_at(epoch, step):
    def report(progress):
        if (progress.epoch, progress.step) == (epoch, step):
            os.kill(os.getpid(), signal.SIGINT)

    return report


@pytest.mark.parametrize(
    "settings",
    [
        {"bottleneck": "gaussian:warmup_epochs=2", "optimizer": "nadam"},
        {"bottleneck": "quantized", "latent_dim": 4},
        {"bottleneck": "ordered", "corruption": "swap:0.2"},
        pytest.param({"penalty": "adversarial:1", "optimizer": "muon"}, marks=pytest.mark.slow),
        {"penalty": "total_correlation:1", "bottleneck": "gaussian", "optimizer": "schedule_free"},
        {"reconstruction_loss": "gaussian:variance=learnt", "optimizer": "adafactor"},
        {"patience": 1, "optimizer": "sgd"},
    ],
    ids=str,
)
def test_a_training_of_any_kind_stopped_anywhere_goes_on_as_if_unbroken(settings, table, tmp_path):
    settings = {"latent_dim": 3, "epochs": 5, "batch_size": 64} | SETTINGS | settings
    whole = Stepwise(**settings).fit(table)
    for where, place in {"within an epoch": (2, 4), "after one": (3, 9)}.items():
        with pytest.raises(KeyboardInterrupt):
            Stepwise(**settings).fit(table, run=tmp_path / where, report=stop_at(*place))
        again = Stepwise(**settings).fit(table, run=tmp_path / where, resume=True)
        assert again.history_ == whole.history_, where
        np.testing.assert_array_equal(again.encode(table), whole.encode(table), where)


def rows_of(kind, table, folder):
    rng = np.random.default_rng(0)
    if kind == "streamed":
        np.save(folder / "rows.npy", rng.normal(size=(60_000, 20)).astype(np.float32))
        return folder / "rows.npy", {"memory": "4MB", "batch_size": 512}, (2, 20)
    if kind == "sparse":
        import scipy.sparse

        return scipy.sparse.random(600, 50, 0.1, "csr", rng=0), {}, (2, 4)
    if kind == "gaps":
        return np.where(rng.random(table.shape) < 0.1, np.nan, table), {}, (2, 4)
    return rng.normal(size=(200, 12, 3)), {"series": True, "structure": "gru 8"}, (2, 2)


@pytest.mark.parametrize("kind", ["streamed", "sparse", "gaps", "series"])
def test_rows_of_any_kind_are_gone_on_with(kind, table, tmp_path):
    rows, more, where = rows_of(kind, table, tmp_path)
    settings = {"latent_dim": 3, "epochs": 3} | SETTINGS | more
    whole = Stepwise(**settings).fit(rows)
    with pytest.raises(KeyboardInterrupt):
        Stepwise(**settings).fit(rows, run=tmp_path / "run", report=stop_at(*where))
    again = Stepwise(**settings).fit(rows, run=tmp_path / "run", resume=True)
    assert again.history_ == whole.history_
    for name, weight in whole.model_.weights.items():
        np.testing.assert_array_equal(again.model_.weights[name], weight)


def test_a_folder_that_goes_away_ends_the_training_in_one_line(table, tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "WRITING_DIVISOR", 0)  # a checkpoint after every epoch
    folder = tmp_path / "a"

    def lose(progress):
        if progress.epoch_done and progress.epoch == 2:
            shutil.rmtree(folder)

    with pytest.raises(OutputError, match=r"000002-000000.safetensors could not be written: No such file or directory"):
        Autoencoder(3, epochs=4, **SETTINGS).fit(table, run=folder, report=lose)


def test_a_disk_that_is_full_leaves_the_checkpoint_before(table, tmp_path):
    script = """
import resource, signal, sys
import numpy as np
from diabolo import Autoencoder
from diabolo.errors import OutputError
from diabolo.training import runs
runs.WRITING_DIVISOR = 0
rows = np.random.default_rng(0).normal(size=(600, 8))
def fill(progress):
    if progress.epoch_done and progress.epoch == 3:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))  # writing more fails
try:
    Autoencoder(3, structure=[16], epochs=6, random_state=0, verbose=False).fit(rows, run=sys.argv[1], report=fill)
except OutputError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, timeout=120)
    assert "000003-000000.safetensors could not be written: File too large." in done.stdout, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir() if not path.name.startswith("00")) == ["lock", "run.json"]
    assert [checkpoints.from_bytes(path.read_bytes())[0].epochs for path in sorted(tmp_path.glob(CHECKPOINTS))] == [
        1,
        2,
    ]


def test_an_interrupt_that_was_ignored_stays_ignored(tmp_path):
    script = """
import os, signal, sys
import numpy as np
from diabolo import Autoencoder
signal.signal(signal.SIGINT, signal.SIG_IGN)
def stop(progress):
    os.kill(os.getpid(), signal.SIGINT)
rows = np.random.default_rng(0).normal(size=(200, 8))
model = Autoencoder(3, structure=[16], epochs=3, random_state=0, verbose=False).fit(rows, run=sys.argv[1], report=stop)
print(len(model.history_["loss"]))
"""
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout.strip()) == (0, "3"), done.stderr


@pytest.mark.parametrize("folder", [5, "", "a\0b"])
def test_what_is_no_folder_is_one_line(folder, table):
    with pytest.raises(OptionError, match="the folder of a run must be a path, got"):
        Autoencoder(3, **SETTINGS).fit(table, run=folder)

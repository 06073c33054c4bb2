"""Structures and optimizers, tried under a budget."""

import csv
import json
import math
import shutil
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import optuna
import psutil
import pytest

from diabolo import Autoencoder, lowlevel
from diabolo.autoencoder import settings_of
from diabolo.cli.race import WITHOUT
from diabolo.cli.writing import fit_command
from diabolo.errors import CheckpointError, DataError, OptionError, OutputError
from diabolo.fitting.automatic import advice
from diabolo.fitting.preparation import prepare
from diabolo.network import optimizers
from diabolo.search import (
    budget,
    error_by_size,
    halving,
    ledger,
    race,
    scheduler,
    search,
    space,
    states,
    study,
    trials,
    workers,
)
from diabolo.search import report as searched
from diabolo.training import checkpoints, loop, program
from diabolo.training.engines import Compiled, Numpy
from diabolo.training.engines import numpy as numpy_engine
from page_file import PageFile

QUICK = {
    "structure": ["dense 16", "dense 32-16"],
    "activation": ["elu", "tanh"],
    "noise": [0.0],
    "batch_size": [64],
    "optimizer": ["adam"],
    "rate": (0.5, 5.0),
}


def quick(rows, **more):
    return search(rows, **({"trials": 5, "epochs": 9, "latent_dim": 3, "space": QUICK, "random_state": 0} | more))


@pytest.fixture(scope="module")
def found(table, tmp_path_factory):
    folder = tmp_path_factory.mktemp("search")
    return quick(table, run=folder), folder


def without_seconds(trials):
    return [{name: value for name, value in row.items() if name != "seconds"} for row in trials]


def runner(number, errors):
    return ledger.TrialState(number=number, choice={}, errors=tuple(errors), finished=False)


def test_a_third_of_those_that_reached_a_rung_goes_on():
    runners = [runner(number, [error]) for number, error in enumerate([5.0, 1.0, 3.0, 4.0, 2.0, 6.0])]
    first = halving.promoted(runners, top=2)
    assert first == runner(1, [1.0])
    runners[1] = runner(1, [1.0, 0.9])
    assert halving.promoted(runners, top=2) == runner(4, [2.0])
    runners[4] = runner(4, [2.0, 0.8])
    assert halving.promoted(runners, top=2) is None  # two of six have gone on; of two none can
    assert halving.leader(runners) == runner(4, [2.0, 0.8])


def test_what_is_used_without_a_search_goes_to_its_end_unless_another_is_clearly_better():
    def chosen(usual, other):
        return halving.to_go_on([runner(0, usual), runner(1, other)], top=2, default=0).number

    assert chosen([9.0, 5.0], [8.0, 4.95]) == 0
    assert chosen([9.0, 5.0], [8.0, 4.8]) == 1
    assert chosen([9.0, -4.95], [8.0, -5.0]) == 0  # in nats of densities
    assert chosen([9.0, -4.8], [8.0, -5.0]) == 1
    assert chosen([9.0], [8.0, 4.95]) == 1  # it is not there yet
    assert chosen([9.0, 5.0, 4.0], [8.0, 4.9, 3.99]) == 1  # at the end the best is the best
    assert halving.to_go_on([runner(1, [3.0]), runner(2, [2.99])], top=2, default=None).number == 2
    assert halving.to_go_on([], top=2, default=0) is None


def test_rungs_are_thirds_and_end_with_the_whole():
    assert halving.rungs(60) == [7, 20, 60]
    assert halving.rungs(2) == [1, 1, 2]
    assert halving.rungs(60, depth=4) == [2, 7, 20, 60]


def test_the_best_is_fitted_and_as_good_as_the_table_says(found, table):
    best, trials = found[0].best, found[0].trials
    assert trials[0]["state"] == "whole"
    assert best.get_params()["structure"] == trials[0]["structure"]
    assert len(best.history_["loss"]) == 9
    assert trials[0]["error"] <= min(row["error"] for row in trials if row["state"] == "whole")
    # What training held back is what errors are of: the tenth of the rows that the seed chooses.
    losses = -best.score_samples(table)
    short = Autoencoder(3, structure="dense 16", epochs=1, random_state=0, verbose=False)
    assert losses.mean() < -short.fit(table).score(table)


def test_one_seed_and_a_number_of_trainings_give_one_table(found, table):
    again = quick(table)
    assert without_seconds(again.trials) == without_seconds(found[0].trials)
    np.testing.assert_array_equal(again.best.encode(table), found[0].best.encode(table))


def test_a_search_that_has_ended_is_found_again_and_goes_on_for_more(found, table, tmp_path):
    before, folder = found[0], shutil.copytree(found[1], tmp_path / "copy")
    started = {path.name: path.stat().st_mtime_ns for path in folder.glob("trial-*")}
    again = quick(table, run=folder)
    assert without_seconds(again.trials) == without_seconds(before.trials)
    assert {path.name: path.stat().st_mtime_ns for path in folder.glob("trial-*")} == started  # nothing was trained
    more = quick(table, run=folder, trials=7)
    assert len(more.trials) == 7


SCRIPT = """
import numpy as np, sys
from diabolo.search import search, trials
trials.SECONDS_BETWEEN = 0.0
rows = np.random.default_rng(0).normal(size=(20_000, 12)) @ np.random.default_rng(1).normal(size=(12, 12))
space = {"structure": ["dense 64"], "noise": [0.0], "batch_size": [32], "optimizer": ["adam"], "activation": ["elu"]}
found = search(rows, trials=2, epochs=EPOCHS, latent_dim=3, space=space, run=sys.argv[1], random_state=0)
print([row["epochs"] for row in found.trials])
"""


def test_a_search_that_was_killed_goes_on_with_the_training_that_it_was_at(tmp_path):
    script = SCRIPT.replace("EPOCHS", "18")
    process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE)
    path = tmp_path / "trial-0000.safetensors"
    deadline = time.monotonic() + 120

    def ended():
        return checkpoints.from_bytes(path.read_bytes())[0].epochs if path.is_file() else 0

    while not ended() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    killed, _ = checkpoints.from_bytes(path.read_bytes())
    done = killed.epochs
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, capture_output=True, timeout=300)
    state, _ = checkpoints.from_bytes(path.read_bytes())
    assert 0 < done < state.epochs
    assert state.history["loss"][:done] == killed.history["loss"]  # those epochs were not trained again


@pytest.mark.parametrize(("activation", "engine"), [("elu", Numpy()), ("selu", Compiled())])
def test_a_training_that_stopped_ends_with_the_bits_of_one_that_did_not(table, tmp_path, activation, engine):
    space = QUICK | {"activation": [activation]}
    stopped = quick(table, trials=1, run=tmp_path, space=space).best  # three rungs, three times begun
    whole = study.Autoencoder(**stopped.get_params() | {"epochs": 9, "patience": 0}).fit(table, engine=engine)
    np.testing.assert_array_equal(stopped.encode(table), whole.encode(table))
    assert stopped.history_ == whole.history_


@pytest.mark.parametrize("epochs", [1, 2])
def test_short_trainings_may_have_several_rungs_at_one_epoch(table, epochs):
    trials = quick(table, trials=4, epochs=epochs).trials
    assert trials[0]["epochs"] == epochs
    assert {row["epochs"] for row in trials} <= {1, epochs}


def test_a_trial_that_diverges_is_reported_and_the_others_continue(table):
    settings = {"structure": [], "latent_dim": 2, "epochs": 27, "random_state": 0}
    raced = race(table, optimizers=["sgd"], times=(1.0, 1e8), **settings)
    states = {(row["optimizer"], row["rate"]): row["state"] for row in reversed(raced.trials)}
    assert states["sgd", 1e8] == "failed"
    assert states["sgd", 1.0] == "whole"
    assert "training diverged" in next(row["reason"] for row in raced.trials if row["state"] == "failed")


def test_refit_learns_from_the_rows_that_were_held_back_too(table):
    best = quick(table, trials=1, refit=True).best
    assert best.model_.record.validation_rows == 0
    assert best.model_.record.rows == len(table)


def test_the_best_has_refined_latents_unless_the_bottleneck_is_settled(found, table, tmp_path):
    # The search has ended: the copy of its folder gives the best without another training.
    best, without = found[0].best, quick(table, refine=False, run=shutil.copytree(found[1], tmp_path / "copy"))
    plain = without.best
    assert (best.bottleneck, plain.bottleneck) == ("refined", "plain")
    assert without.refined is None
    before, after = found[0].refined
    assert before == pytest.approx(found[0].trials[0]["error"])
    assert after < before
    for name, weight in plain.model_.weights.items():
        np.testing.assert_array_equal(best.model_.weights[name], weight)
    assert best.score_samples(table).mean() > plain.score_samples(table).mean()
    assert quick(table, trials=1, bottleneck="ordered").best.bottleneck == "ordered"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"budget": "soon"}, "budget must be a time such as 90s, 10m or 2h, got 'soon'"),
        ({"budget": -1}, "budget must be a time"),
        ({"budget": 1, "trials": None}, "a budget of 1 s is too short for one trial: give at least [0-9]+s"),
        ({"trials": 0}, "trials must be a whole number of at least 1, got 0"),
        ({"space": {"widht": [3]}}, "unknown name in the space 'widht'. Did you mean 'width'"),
        ({"space": {"batch_size": []}}, "the space holds nothing for 'batch_size'"),
        ({"space": {"rate": (3, 1)}}, "'rate' must be a list of values, or a pair"),
        (
            {"space": {"structure": ["conv 32"]}},
            "nothing in the space can be trained on these rows: structure 'conv'",
        ),
        ({"latent": 3}, "unknown setting 'latent'"),
    ],
)
def test_what_cannot_be_searched_is_one_line(table, settings, message):
    with pytest.raises((OptionError, DataError), match=message):
        quick(table, **settings)


def test_what_is_drawn_goes_by_what_stopped_trainings_reached(table):
    # Most trainings of a search never end, and a sampler that waits for the end learns nothing of them.
    wide = {"structure": ["dense 16"], "activation": ["elu"], "noise": [0.0], "batch_size": [64], "optimizer": ["adam"]}
    found = quick(table, trials=18, epochs=3, space=wide | {"rate": (0.001, 30.0)})
    drawn = sorted(found.trials, key=lambda row: row["number"])
    best = np.log(drawn[int(np.argmin([row["error"] for row in drawn]))]["rate"])
    away = [abs(np.log(row["rate"]) - best) for row in drawn]
    assert np.median(away[ledger.RANDOM_TRIALS :]) < 0.5 * np.median(away[: ledger.RANDOM_TRIALS])


def test_what_is_used_without_a_search_goes_far_enough_to_be_compared(table):
    # Of four trainings one goes on to the second rung, and none of one to the third: two are there by other rules.
    found = search(table[:300], trials=4, epochs=9, latent_dim=3, random_state=0, space={"noise": [0.0]})
    assert found.curves[0][1][0] == 3  # the second of the rungs 1, 3, 9
    assert next(row for row in found.trials if row["number"] == 0)["width"] == 64  # as `skip` has for 8 features


@pytest.fixture
def own_time(monkeypatch):
    """Let a search count the seconds that this process computes, so that a busy machine changes nothing."""
    clock = SimpleNamespace(monotonic=time.process_time, perf_counter=time.process_time, sleep=time.sleep)
    for module in (budget, scheduler, study, loop, program, numpy_engine):
        monkeypatch.setattr(module, "time", clock)


def test_in_a_budget_of_time_the_best_is_trained_longest_and_whole(table, monkeypatch, own_time):
    monkeypatch.setattr(budget, "OPERATIONS_A_SECOND", 1e15)  # so that all look fast before they are seen
    found = quick(np.tile(table, (120, 1)), trials=None, budget="10s", epochs=None)
    trials = found.trials
    assert trials[0]["state"] == "whole"
    assert trials[0]["epochs"] == trials[0]["of"] == max(row["epochs"] for row in trials)
    assert {row["state"] for row in trials[1:]} <= {"stopped", "whole", "failed"}
    assert len(trials) > 2
    # By what was thought, the first stop is after a twenty-seventh of 300 epochs; by what was seen, sooner.
    assert max(curve[0][0] for curve in found.curves.values()) < round(300 / 27)


def test_the_best_comes_to_its_end_also_when_the_time_is_over_before(table, monkeypatch):
    # As on a machine that is busy with something else: the first stop comes after the end.
    monkeypatch.setattr(workers, "cores", lambda: 1)
    took, work = [], scheduler.Search._work
    monkeypatch.setattr(scheduler.Search, "_work", lambda *job: [took.append(job[1:]), work(*job)])
    monkeypatch.setattr(budget.Budget, "left", property(lambda _: -5.0 if took else 60.0))
    (only,) = quick(np.tile(table, (20, 1)), trials=None, budget="60s", epochs=81).trials
    assert took == [(0, 0), (0, 3)]
    assert (only["state"], only["epochs"]) == ("whole", only["of"])
    assert only["epochs"] < 81


@pytest.mark.slow
def test_a_training_that_no_budget_holds_is_given_up_at_first_sight(table, monkeypatch, own_time):
    monkeypatch.setattr(budget, "OPERATIONS_A_SECOND", 1e15)  # so that none looks slow before it is seen
    slow = {"structure": ["dense 16", "dense 1024-1024-1024"], "batch_size": [16], "noise": [0.0]}
    rows = np.tile(table, (20, 1))
    trials = search(rows, budget="15s", latent_dim=3, space=slow, random_state=1).trials
    given_up = [row for row in trials if row["structure"] == "dense 1024-1024-1024"]
    assert trials[0]["structure"] == "dense 16"
    assert given_up
    assert all(row["state"] == "failed" and row["reason"] == scheduler.TOO_SLOW for row in given_up)
    with pytest.raises(OptionError, match=r"too short for these rows: all \d+ trials that were begun are too slow"):
        search(rows, budget="8s", latent_dim=3, space=slow | {"structure": ["dense 1024-1024-1024"]}, random_state=1)


def test_the_folder_of_another_search_is_refused(found, table):
    with pytest.raises(CheckpointError, match="holds a search of other rows, settings, space or seed"):
        quick(table[:300], run=found[1])


def test_a_search_that_could_not_begin_leaves_its_folder_free(table, tmp_path):
    with pytest.raises(OptionError, match="nothing in the space can be trained on these rows"):
        quick(table, latent_dim=50, run=tmp_path)
    trials = quick(table, trials=1, run=tmp_path).trials
    assert [(row["number"], row["state"]) for row in trials] == [(0, "whole")]


def test_a_training_that_was_killed_while_it_was_drawn_is_forgotten(table, tmp_path):
    quick(table, trials=1, run=tmp_path)
    optuna.load_study(study_name=ledger.NAME, storage=f"sqlite:///{tmp_path / 'study.db'}").ask()
    numbers = [row["number"] for row in quick(table, trials=2, run=tmp_path).trials]
    assert sorted(numbers) == [0, 2]


def test_a_training_that_ends_the_process_each_time_is_given_up(table, tmp_path, monkeypatch):
    def no_room(*arguments):
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(scheduler, "trial", no_room)
        for _ in range(scheduler.MOST_STARTS):
            with pytest.raises(MemoryError):
                quick(table, trials=2, run=tmp_path)
    trials = quick(table, trials=2, run=tmp_path).trials
    assert [(row["number"], row["state"]) for row in trials] == [(1, "whole"), (0, "failed")]
    assert trials[1]["reason"] == "it ended the process 3 times: it may need more memory than there is."


@pytest.mark.slow
def test_the_best_is_the_first_of_the_table_by_the_error_it_ended_with(table, tmp_path):
    found = quick(table, run=tmp_path, refine=False, bottleneck="gaussian", latent_dim=2)  # whose error may rise
    held = scheduler.held_back(len(table), 0.1, 0, scheduler.VALIDATION)
    first = found.trials[0]
    assert found.best.model_.loss_per_row(table[held]).mean() == pytest.approx(first["error"])
    assert found.curves[first["number"]][-1][1] == first["error"]


def test_only_what_is_used_without_a_search_is_known_to_end_well():
    asked = space.read({"batch_size": [128]}, (784,), {})
    assert space.default_choice(asked, (784,)) is None
    assert [each["batch_size"] for each in space.first(asked, (784,))] == [128]
    whole = space.read(None, (784,), {})
    assert space.default_choice(whole, (784,)) == space.first(whole, (784,))[0]


def test_the_best_can_be_fitted_again_where_a_linear_bottleneck_was_asked_for(table):
    best = quick(table, trials=1, bottleneck_activation="linear").best
    assert best.bottleneck == "refined"
    assert best.set_params(epochs=1).fit(table).latent_dim_ == 3


def test_a_storage_that_is_no_storage_is_one_line(table, tmp_path):
    (tmp_path / "study.db").write_bytes(b"this is no database, and never was" * 40)
    with pytest.raises(OutputError, match=r"the storage sqlite:.* cannot be used"):
        quick(table, run=tmp_path)


def test_a_damaged_checkpoint_is_named(table, tmp_path):
    quick(table, trials=1, run=tmp_path)
    path = tmp_path / "trial-0000.safetensors"
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"trial-0000\.safetensors is not a valid checkpoint"):
        quick(table, trials=1, run=tmp_path)


def test_images_may_have_convolutions_and_tables_may_not():
    assert "conv" in space.read(None, (28, 28), {})["kind"]
    assert "conv" not in space.read(None, (40,), {})["kind"]
    assert [each["kind"] for each in space.first(space.read(None, (40,), {}), (40,))] == ["skip", "dense"]


@pytest.mark.parametrize("shape", [(5,), (40,), (300,), (28, 28), (64, 64, 3)])
def test_a_search_begins_with_what_is_used_without_one(shape):
    chosen = space.first(space.read(None, shape, {}), shape)[0]
    latents = min(6, math.prod(shape) - 3)  # with fewer, wide rows get more layers
    found, without = Autoencoder(latents, **space.settings(chosen, {})), Autoencoder(latents)
    rows = np.random.default_rng(0).normal(size=(50, *shape))
    ready = [prepare(rows, settings_of(each).seeded(0)) for each in (found, without)]
    assert ready[0].network == ready[1].network
    rate = optimizers.check("adamw:0.1", None, "cosine")
    assert (found.batch_size, found.learning_rate) == (without.batch_size, rate)
    assert optimizers.default_for(ready[1].network.bottleneck) == "adamw:0.1"
    assert found.optimizer == "adamw:weight_decay=0.1"


def test_the_command_line_writes_the_best_model_and_the_table(cli, table, tmp_path):
    np.save(tmp_path / "rows.npy", table)
    (tmp_path / "space.json").write_text(json.dumps(QUICK))
    options = ["--trials", "4", "--epochs", "9", "--latent", "3", "--space", "space.json"]
    out = cli("search", "rows.npy", *options, cwd=tmp_path).out
    assert "this model" in out
    refined = "refined latents lower the loss of validation rows from "
    assert refined in " ".join(out.split())
    with (tmp_path / "rows-trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4
    assert rows[0]["state"] == "whole"
    cli("encode", "rows.safetensors", "rows.npy", cwd=tmp_path)
    assert np.load(tmp_path / "rows-latents.npy").shape == (600, 3)
    found = PageFile(tmp_path / "rows-report.html").header
    assert refined in " ".join(found["search"]["conclusions"])
    # The same order: the best first.
    assert [each["number"] for each in found["search"]["trials"]] == [int(row["number"]) for row in rows]
    assert found["evaluation"]["evaluatedOn"] == "test"
    assert f"{found['evaluation']['model']:.5f}" in out
    assert found["rows"]["which"] == "all test rows"


def found_with(trials, space, importance=None):
    usual = {"epochs": 9, "of": 9, "seconds": 1.0, "state": "whole", "reason": ""}
    rows = [usual | {"number": number} | each for number, each in enumerate(trials)]
    return study.SearchResult(None, rows, importance or {}, {}, space)


def test_a_choice_at_the_end_of_what_was_tried_is_said_and_a_wider_space_named():
    space = {"width": [64, 128, 256], "rate": (0.2, 5.0), "depth": [1, 2]}
    found = found_with([{"error": 1.0, "width": 256, "rate": 0.21, "depth": 1}], space)
    wide, slow = searched.what_next(found)
    assert wide == 'width 256 is at the high end of what was tried: --space FILE with {"width": [256, 512]}'
    assert slow == 'rate 0.21 is at the low end of what was tried: --space FILE with {"rate": [0.04, 0.21]}'
    found = found_with([{"error": 1.0, "width": 128, "rate": 1.0, "depth": 2}], space | {"depth": [1, 2, 3]})
    assert searched.what_next(found) == []


def test_what_hardly_mattered_can_be_left_out_and_what_it_was_is_said():
    importance = {"width": 0.99, "kind": 0.01}
    rows = [{"error": 1.0, "width": 64, "kind": "dense"}, {"error": 1.01, "width": 32, "kind": "residual"}]
    found = found_with(rows, {"width": [32, 64, 128], "kind": ["dense", "residual"]}, importance)
    assert searched.what_mattered(found) == [
        "what explains the error after the first stop: width 99%, kind 1%",
        "within 2% of the best: 1",
    ]
    assert searched.what_next(found) == [
        'these hardly mattered, and can be fixed to the values of the best: --space FILE with {"kind": ["dense"]}'
    ]


@pytest.mark.parametrize(
    ("fixed", "holds"),
    [
        pytest.param({"activation": "tanh"}, lambda best: best.activation == "tanh", marks=pytest.mark.slow),
        ({"batch_size": 16}, lambda best: best.batch_size == 16),
        ({"structure": "dense 7"}, lambda best: best.structure == "dense 7"),
        ({"optimizer": "sgd"}, lambda best: best.optimizer == "sgd" and best.learning_rate > 1e-4),
        pytest.param({"learning_rate": 0.02}, lambda best: best.learning_rate == 0.02, marks=pytest.mark.slow),
        pytest.param(
            {"corruption": "gaussian:0.1"}, lambda best: best.corruption == "gaussian:0.1", marks=pytest.mark.slow
        ),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_what_is_fixed_is_the_same_for_all_trainings(table, fixed, holds):
    # Two begin a search; what follows is drawn.
    found = search(table[:100], trials=3, epochs=2, latent_dim=2, random_state=0, **fixed)
    assert holds(found.best)
    assert {*fixed} & {*found.trials[0]} == set()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"space": {"patience": [1]}}, "unknown name in the space 'patience'"),
        ({"space": {"epochs": [3]}}, "unknown name in the space 'epochs'"),
        ({"space": {"validation_fraction": [0.1]}}, "unknown name in the space 'validation_fraction'"),
        ({"space": {"optimizer": ["auto"]}}, "a search tries optimizers itself: leave 'auto' out"),
        ({"optimizer": "auto"}, "optimizer='auto' is for fit"),
        ({"activation": "tanh", "space": {"activation": ["elu"]}}, "activation is fixed, and in the space as well"),
        ({"run": 5}, "the folder of a search must be a path, got 5"),
    ],
)
def test_what_would_not_be_the_same_for_all_is_refused(table, settings, message):
    with pytest.raises(OptionError, match=message):
        search(table, trials=1, **settings)


@pytest.mark.slow
def test_two_processes_may_begin_one_search_at_the_same_time(tmp_path):
    script = SCRIPT.replace("EPOCHS", "9").replace("20_000", "300")
    both = [subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stderr=subprocess.PIPE) for _ in range(2)]
    said = [process.communicate(timeout=300)[1].decode() for process in both]
    assert [process.returncode for process in both] == [0, 0], said


def test_under_a_budget_of_time_another_process_works_on_the_search_too(table, tmp_path, monkeypatch):
    def wait(work):  # and train nothing in this process
        deadline = time.monotonic() + 120
        while not work.ledger.runners() and time.monotonic() < deadline:
            time.sleep(0.2)
        return work.ledger.runners()[0].number

    before = psutil.Process().children(recursive=True)
    monkeypatch.setattr(workers, "cores", lambda: 2)
    monkeypatch.setattr(scheduler.Search, "work", wait)
    found = quick(table, trials=None, budget="150s", run=tmp_path)
    assert found.trials[0]["epochs"] > 0
    assert found.best.score(table) == pytest.approx(-found.trials[0]["error"], rel=0.5)
    assert psutil.Process().children(recursive=True) == before


@pytest.mark.slow
def test_a_further_process_ends_with_the_first_one_however_that_ends(tmp_path):
    script = """
import os, signal, numpy as np, psutil, time
from diabolo.search import scheduler, search, workers
workers.cores = lambda: 2
def work(self):
    print(psutil.Process().children()[0].pid, flush=True)
    time.sleep(5)
    os.kill(os.getpid(), signal.SIGKILL)
scheduler.Search.work = work
search(np.random.default_rng(0).normal(size=(300, 5)), budget="300s", latent_dim=2)
"""
    said = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, check=False).stdout
    deadline = time.monotonic() + 60
    while psutil.pid_exists(int(said)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not psutil.pid_exists(int(said))


def test_a_task_that_cannot_be_passed_on_is_searched_in_one_process(table, monkeypatch):
    class Local:
        pass

    monkeypatch.setattr(workers, "cores", lambda: 2)
    task = SimpleNamespace(seconds=90, trials=None, opened=SimpleNamespace(rows=table), settings={}, report=None)
    monkeypatch.setattr(workers, "replace", lambda task, report: Local())
    with workers.workers(task):
        assert not psutil.Process().children()


@pytest.mark.parametrize("activation", ["elu", "selu"])  # by NumPy, by TensorFlow
def test_a_trial_that_is_read_again_is_as_far_as_before(table, tmp_path, activation):
    settings = settings_of(Autoencoder(2, structure=[8], epochs=9, activation=activation, random_state=0, patience=0))
    lengths, kept = [], states.InFolder(tmp_path)

    def keep(state):
        kept.write(0, checkpoints.to_bytes(state, "it"))

    for _ in range(2):
        spec, restored = trials.Spec(settings=settings, until=3), kept.read(0, "it")
        model = trials.fitted(spec, study.in_memory(table, {}), restored, keep)
        lengths.append(len(model.record.history["loss"]))
        assert checkpoints.read(tmp_path / "trial-0000.safetensors", "it").epochs == 3
    assert lengths == [3, 3]


def test_a_race_that_is_stopped_late_still_has_a_winner(table, tmp_path):
    def stop(rows):
        if any(row["state"] == "short" for row in rows):
            raise KeyboardInterrupt

    settings = {"optimizers": ["adam", "sgd"], "epochs": 9, "latent_dim": 3, "random_state": 0}
    raced = race(table, run=tmp_path, report=stop, **settings)
    assert raced.optimizer in ("adam", "sgd")
    again = race(table, run=tmp_path, **settings)  # goes on
    assert again.trials[0]["state"] == "whole"
    assert len({row["number"] for row in again.trials}) == len(again.trials)


def test_a_race_with_a_rate_that_breaks_is_valid_json(cli, table, tmp_path):
    np.save(tmp_path / "rows.npy", table)
    more = [
        "--latent",
        "3",
        "--epochs",
        "6",
        "--optimizers",
        "sgd",
        "--activation",
        "exponential",
        "--structure",
        "dense 64",
    ]
    out = cli("race", "rows.npy", *more, "--json", cwd=tmp_path).out
    json.loads(out, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))


def rate(row):
    return advice.rate_of(row["optimizer"], row["rate"])


def test_a_race_costs_a_fifth_and_the_best_of_the_short_trainings_runs_to_the_end(table):
    names, times, seen = ["adam", "sgd", "rmsprop", "nadam"], (0.01, 0.1, 1.0, 3.0, 10.0), []
    raced = race(table, optimizers=names, times=times, epochs=27, latent_dim=3, random_state=0, report=seen.append)
    short, whole = ([row for row in raced.trials if row["state"] == state] for state in ("short", "whole"))
    assert [row["epochs"] for row in short] == [9] * 6
    assert [row["epochs"] for row in whole] == [27] * 2
    assert raced.epochs == 6 * 9 + 2 * 27 <= raced.epochs_of_all / 5
    said = Autoencoder(3, epochs=27).advise(table).answers
    promised = next(each for each in said if each.optimizer in names)
    first = next(row for row in short if row["optimizer"] == promised.optimizer and rate(row) == promised.learning_rate)
    # The one that promised most, and the best of the others.
    best = [row for row in (first, *short) if row is first or row["number"] != first["number"]][:2]
    assert {(row["optimizer"], row["rate"]) for row in best} == {(row["optimizer"], row["rate"]) for row in whole}
    assert all(row["rate"] > 0.1 for row in raced.trials)  # who is known to be slow does not begin
    assert [row["error"] for row in whole] == sorted(row["error"] for row in whole)
    assert seen[-1] == raced.trials
    model = study.Autoencoder(3, optimizer=raced.optimizer, learning_rate=raced.learning_rate, epochs=27, patience=0)
    again = model.set_params(random_state=0, verbose=False).fit(table)
    assert min(again.history_["val_loss"]) == pytest.approx(raced.trials[0]["error"], rel=1e-4)  # it keeps its promise
    assert raced.evaluation.error == pytest.approx(again.evaluation_.error, rel=1e-4)
    assert raced.evaluation.pca_error == pytest.approx(again.evaluation_.pca_error, rel=1e-6)


def test_a_race_in_a_folder_is_not_run_again(table, tmp_path):
    settings = {"optimizers": ["adam", "sgd"], "epochs": 9, "latent_dim": 3, "random_state": 0, "run": tmp_path}
    first = race(table, **settings)
    started = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("trial-*")}
    assert len(started) == 4
    assert race(table, **settings) == first
    assert started == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("trial-*")}


@pytest.mark.slow
def test_a_race_over_equal_time_gives_dear_optimizers_fewer_epochs(table, tmp_path):
    settings = {"optimizers": ["adam", "muon"], "times": (1.0,), "epochs": 24, "latent_dim": 3, "random_state": 0}
    settings |= {"structure": "dense 512-512", "equal": "time", "run": tmp_path}
    raced = race(table, **settings)
    short = {row["optimizer"]: row["epochs"] for row in raced.trials if row["state"] == "short"}
    dearer = json.loads((tmp_path / "seconds.json").read_text())
    assert short == {"adam": 8, "muon": max(1, round(8 * dearer["adam"] / dearer["muon"]))}
    assert short["muon"] < 7  # its steps decompose 512 x 512
    assert race(table, **settings) == raced  # what was seen is kept


def test_a_race_of_nobody_and_of_strangers_is_one_line(table):
    with pytest.raises(OptionError, match=r"unknown value of equal \(--equal\) 'tim'\. Did you mean 'time'"):
        race(table, equal="tim")
    with pytest.raises(OptionError, match=r"unknown optimizer 'adamm'\. Did you mean 'adam'"):
        race(table, optimizers=["adamm"])
    for bad in ({"times": ()}, {"times": 3}, {"optimizers": "adam"}, {"optimizers": []}):
        with pytest.raises(OptionError, match=f"{next(iter(bad))} must be a list with something in it"):
            race(table, **bad)
    with pytest.raises(OptionError, match="times must be numbers above 0"):
        race(table, times=[True])
    with pytest.raises(OptionError, match="unknown setting 'foo'"):
        race(table, optimizers=["adam:foo=1"])
    with pytest.raises(OptionError, match="unknown setting 'learning_rate'"):
        race(table, learning_rate=0.5)


def test_what_is_advised_to_type_has_no_option_that_fit_does_not_know(monkeypatch):
    asked = "rows.npy --equal time --optimizers adam,sgd -pcurves.png --picture=b.png --latent 3 --json"
    monkeypatch.setattr(sys, "argv", ["diabolo", "race", *asked.split()])
    assert fit_command("--optimizer", "adam", without=WITHOUT) == "diabolo fit rows.npy --latent 3 --optimizer adam"


def test_the_command_line_says_who_won_and_what_to_type(cli, table, tmp_path):
    np.save(tmp_path / "rows.npy", table)
    out = cli("race", "rows.npy", "--optimizers", "adam,sgd", "--epochs", "9", "--latent", "3", cwd=tmp_path).out
    assert "the winner: " in out
    assert "try: diabolo fit rows.npy --epochs 9 --latent 3 --optimizer " in out


def test_whole_numbers_of_numpy_are_whole_numbers_everywhere_and_booleans_nowhere(rng):
    rows = rng.normal(size=(80, 6))
    space = {"kind": ["dense"], "depth": [np.int64(1)], "width": np.array([16])}
    found = search(
        rows, trials=np.int64(2), epochs=np.int32(3), latent_dim=np.int64(2), space=space, random_state=np.int64(0)
    )
    assert len(found.trials) == 2
    sizes = error_by_size(rows, np.array([1, 2]), epochs=np.int64(1), random_state=0)
    assert [point.latents for point in sizes.points] == [1, 2]
    net = lowlevel.Autoencoder(np.array([6, 2, 6]), random_state=np.int64(0))
    net.fit(rng.random((20, 6)), epochs=np.int64(1), batch_size=np.int64(8))
    for act in (
        lambda: search(rows, trials=True),
        lambda: error_by_size(rows, [True]),
        lambda: lowlevel.Autoencoder([6, 2, 6], random_state=True),
        lambda: net.fit(rng.random((20, 6)), epochs=True),
        lambda: Autoencoder(True).fit(rows),
    ):
        with pytest.raises(OptionError, match=r"must be (a )?whole numbers? of at least [01], got"):
            act()

"""The command line as a user meets it: an empty folder, files and exit codes."""

import json
import logging
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

import diabolo
from diabolo import Autoencoder
from diabolo.errors import OptionError, OutputError
from diabolo.search.study import folder_of


@pytest.fixture(scope="module")
def work(tmp_path_factory, digits):
    """A folder in which `diabolo fit` was run once on 800 digits of its own, with --json."""
    folder = tmp_path_factory.mktemp("work")
    np.save(folder / "rows.npy", digits.x_train[:800])
    done = subprocess.run(
        [sys.executable, "-m", "diabolo", "fit", "rows.npy", "--latent", "6", "--epochs", "3", "--json"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    folder.joinpath("out.json").write_text(done.stdout)
    folder.joinpath("err.txt").write_text(done.stderr)
    return folder


def test_fit_writes_a_model_and_two_pictures_and_says_how_good_it_is(work):
    facts = json.loads((work / "out.json").read_text())
    assert facts["rows"] + facts["validation_rows"] + facts["test_rows"] == 800
    assert facts["test_rows"] == 80
    assert facts["evaluated_on"] == "test"
    assert facts["latent_dim"] == 6
    assert 0 < facts["pca_error"] < facts["mean_row_error"]
    assert facts["written"] == {
        "model": "rows.safetensors",
        "reconstructions": "rows-reconstructions.png",
        "training": "rows-training.png",
    }
    for name in ("reconstructions", "training"):
        with Image.open(work / facts["written"][name]) as picture:
            assert min(picture.size) > 200
            assert np.asarray(picture.convert("L")).std() > 5  # something is drawn


def test_the_figures_are_those_of_numpy_and_scikit_learn(work):
    """Recomputed from the files alone: the model, the rows, and which of them were held back."""
    from sklearn.decomposition import PCA

    from diabolo.data.splits import TEST, split_rows

    facts = json.loads((work / "out.json").read_text())
    train, test = split_rows(np.load(work / "rows.npy"), 0.1, 0, TEST)
    model = diabolo.load(work / "rows.safetensors")
    flat, judge = train.reshape(-1, 784) / 255, test.reshape(-1, 784) / 255
    # The reconstruction comes as bytes: half a byte off at most.
    error = np.square(model.reconstruct(test).reshape(-1, 784) / 255 - judge).mean()
    assert facts["error"] == pytest.approx(error, rel=0.01)
    pca = PCA(6, svd_solver="full").fit(flat)
    expected = np.square(judge - pca.inverse_transform(pca.transform(judge))).mean()
    assert facts["pca_error"] == pytest.approx(expected, rel=0.01)
    assert facts["mean_row_error"] == pytest.approx(np.square(judge - flat.mean(axis=0)).mean(), rel=1e-4)
    assert facts["loss_per_row"] == pytest.approx(-model.score(test), rel=1e-6)


def test_fit_writes_plain_lines_where_no_terminal_is(work):
    lines = (work / "err.txt").read_text().splitlines()
    assert [line.split()[:2] for line in lines] == [["epoch", "1/3"], ["epoch", "2/3"], ["epoch", "3/3"]]


def test_fit_shows_a_table_to_people(cli):
    done = cli("fit", "digits:test", "--epochs", "1", "-l", "4", "-o", "small")
    assert done.code == 0, done.err
    for words in ("training, ", "1 : 196", "this model", "PCA, 4 components", "the mean row", "small.safetensors"):
        assert words in done.out


def test_fit_without_pictures_writes_the_model_alone(cli, tmp_path, rng):
    np.save(tmp_path / "rows.npy", rng.normal(size=(100, 5)))
    done = cli("fit", str(tmp_path / "rows.npy"), "--epochs", "1", "--no-pictures", "-o", str(tmp_path / "m"), "--json")
    assert done.code == 0, done.err
    assert list(json.loads(done.out)["written"]) == ["model"]
    assert {path.name for path in tmp_path.iterdir()} == {"rows.npy", "m.safetensors"}


def test_fit_never_overwrites_unasked(cli, work):
    before = (work / "rows.safetensors").read_bytes()
    done = cli("fit", "rows.npy", cwd=work)
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "diabolo: rows.safetensors exists: choose another name, or pass force=True (--force) to overwrite it.\n"
    )
    assert (work / "rows.safetensors").read_bytes() == before


def test_the_same_command_gives_the_same_file(cli, work):
    done = cli("fit", "rows.npy", "--latent", "6", "--epochs", "3", "-o", "again", cwd=work)
    assert done.code == 0, done.err
    assert (work / "again.safetensors").read_bytes() == (work / "rows.safetensors").read_bytes()


def test_info_draws_the_network_and_tells_how_it_was_trained(cli, work):
    done = cli("info", "rows.safetensors", cwd=work)
    assert done.code == 0, done.err
    for words in (
        "bottleneck",
        "skip elu",
        "28 x 28 x 1",
        "rows.npy: 648 rows and 72 to validate",
        "adamw:0.1 0.001 cosine",
    ):
        assert words in done.out
    assert max(map(len, done.out.splitlines())) <= 80
    facts = json.loads(cli("info", "rows.safetensors", "--json", cwd=work).out)
    assert facts["latent_dim"] == 6
    assert facts["weights"] == sum(layer["weights"] for layer in facts["layers"])


@pytest.mark.parametrize("ending", [".npy", ".npz", ".csv"])
def test_latents_go_out_and_come_back_in_every_format(cli, work, ending):
    latents = f"latents{ending}"
    assert cli("encode", "rows.safetensors", "rows.npy", "-o", latents, cwd=work).code == 0
    assert cli("decode", "rows.safetensors", latents, "-o", f"decoded-{ending[1:]}.npy", cwd=work).code == 0
    model, rows = diabolo.load(work / "rows.safetensors"), np.load(work / "rows.npy")
    np.testing.assert_array_equal(np.load(work / f"decoded-{ending[1:]}.npy"), model.reconstruct(rows))
    if ending == ".csv":
        lines = (work / latents).read_text().splitlines()
        assert lines[0] == "latent_0,latent_1,latent_2,latent_3,latent_4,latent_5"
        assert len(lines) == 801


def test_decode_and_reconstruct_write_pictures(cli, work):
    assert cli("encode", "rows.safetensors", "rows.npy", "-o", "z.npy", cwd=work).code == 0
    done = cli("decode", "rows.safetensors", "z.npy", "-o", "pictures", cwd=work)
    assert done.out == "pictures/: 800 PNGs\n"
    expected = diabolo.load(work / "rows.safetensors").reconstruct(np.load(work / "rows.npy"))
    with Image.open(work / "pictures" / "000017.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), expected[17])
    again = cli("reconstruct", "--force", "rows.safetensors", "rows.npy", "-o", "pictures", cwd=work)
    assert again.code == 2
    assert "not an empty folder" in again.err


def test_a_table_in_csv_goes_all_the_way(cli, table, tmp_path):
    names = ",".join("abcdefgh")
    np.savetxt(tmp_path / "table.csv", table, delimiter=",", header=names, comments="")
    done = cli("fit", "table.csv", "--latent", "3", "--epochs", "30", "--json")
    assert done.code == 0, done.err
    facts = json.loads(done.out)
    assert facts["reconstruction_loss"] == "gaussian"
    assert facts["error"] < 0.5 * facts["mean_row_error"]
    assert cli("reconstruct", "table.safetensors", "table.csv", "-o", "back.csv").code == 0
    back = np.loadtxt(tmp_path / "back.csv", delimiter=",", skiprows=1)
    assert np.corrcoef(back[:, 0], table[:, 0])[0, 1] > 0.9


def test_fit_reads_a_complete_data_set_from_a_folder(cli, data_dir):
    done = cli("encode", "none.safetensors", "mnist", "--data-dir", data_dir)
    assert "no model file" in done.err  # the model is looked at first; the data are not read for nothing
    done = cli(
        "fit", "mnist:test", "--data-dir", data_dir, "--epochs", "1", "--json", env={"DIABOLO_DATA": "/nonexistent"}
    )
    assert done.code == 0, done.err
    assert json.loads(done.out)["rows"] == 8100


def test_bad_input_ends_a_process_as_it_ends_main(cli, command):
    for start in (cli, command):
        done = start("fit", "digts")
        assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
        assert done.err.startswith("diabolo: unknown data set 'digts'. Did you mean 'digits'?")


def test_a_training_that_diverges_ends_with_code_three_and_no_file(cli, tmp_path, rng):
    np.save(tmp_path / "rows.npy", rng.normal(size=(200, 6)))
    settings = "--optimizer sgd --learning-rate 1e5 --learning-rate-schedule constant --epochs 60 --patience 0"
    done = cli("fit", "rows.npy", *settings.split())
    assert done.code == 3, done.err
    last = done.err.splitlines()[-1]
    assert "training diverged in epoch 1, by step " in last
    assert "at a learning rate of 1e+05" in last
    assert [path.name for path in tmp_path.iterdir()] == ["rows.npy"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_a_training_that_is_stopped_leaves_nothing_half(tmp_path, number, code, word):
    process = subprocess.Popen(
        [sys.executable, "-m", "diabolo", "fit", "digits", "--epochs", "500", "--patience", "0"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell that started the tests in the background has them ignore Ctrl-C, and all that they start.
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),
    )
    assert "epoch" in process.stderr.readline()
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert err.splitlines()[-1] == f"diabolo: {word}: no unfinished output is left behind."
    assert out == ""
    assert list(tmp_path.iterdir()) == []


def test_a_bar_is_drawn_on_a_terminal(tmp_path):
    import pty

    main, child = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "diabolo", "fit", "digits:test", "--epochs", "30", "--patience", "0"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=child,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "120"},
    )
    os.close(child)
    seen, ended = b"", time.monotonic() + 120
    while time.monotonic() < ended:
        try:
            piece = os.read(main, 4096)
        except OSError:  # the other side has closed
            break
        if not piece:
            break
        seen += piece
    process.communicate(timeout=60)
    os.close(main)
    assert process.returncode == 0
    text = seen.decode()
    assert "rows/s" in text
    assert "left" in text
    assert "━" in text


def test_version_and_help(command):
    assert command("--version").out == f"diabolo {diabolo.__version__}\n"
    assert "fit" in command("--help").out


@pytest.mark.parametrize(
    ("asked", "written"),
    [
        ("m", "m.safetensors"),
        ("m.safetensors", "m.safetensors"),
        ("run1.5", "run1.5.safetensors"),  # a number, no ending
        ("2024.12.31", "2024.12.31.safetensors"),
        ("m.", "m..safetensors"),
    ],
)
def test_a_model_file_gets_its_ending_where_a_name_has_none(fitted, tmp_path, asked, written):
    assert fitted.save(tmp_path / asked) == tmp_path / written
    assert [path.name for path in tmp_path.iterdir()] == [written]


@pytest.mark.parametrize("ending", ["keras", "h5", "pt", "onnx", "pkl", "npy", "SAFETENSORS", "v2"])
def test_a_model_file_is_not_called_like_another_kind_of_file(fitted, tmp_path, ending):
    with pytest.raises(OutputError, match=r"a model file ends in \.safetensors: write .*m\.safetensors\.$"):
        fitted.save(tmp_path / f"m.{ending}", force=True)
    assert list(tmp_path.iterdir()) == []


def test_few_rows_are_said_to_be_few(rng, caplog):
    with caplog.at_level(logging.WARNING):
        Autoencoder(1, epochs=1, random_state=0, verbose=False).fit(rng.normal(size=(30, 4)))
        assert caplog.text == ""
        Autoencoder(1, epochs=1, random_state=0, verbose=False).fit(rng.normal(size=(2, 4)))
    assert "fit(): 2 rows to learn from: the model may not fit other rows" in caplog.text


def test_the_folder_of_a_search_that_is_refused_goes_unless_something_was_in_it(tmp_path):
    def refused(folder, name):
        with folder_of(folder) as made:
            (made / name).touch()
            raise OptionError

    (tmp_path / "old").mkdir()
    for folder, name in (("new", "study.db"), ("old", "study.db"), ("trained", "0.checkpoint")):
        with pytest.raises(OptionError):
            refused(tmp_path / folder, name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old", "trained"]
    assert (tmp_path / "trained" / "0.checkpoint").exists()


def test_latents_next_to_other_columns_are_decoded_and_those_of_another_model_are_not(cli, work):
    assert cli("encode", "rows.safetensors", "rows.npy", "-o", "six.csv", cwd=work).code == 0
    latents = np.loadtxt(work / "six.csv", delimiter=",", skiprows=1)
    lines = (work / "six.csv").read_text().splitlines()
    (work / "kept.csv").write_text(
        "\n".join([f"id,{lines[0]}", *(f"a{at},{each}" for at, each in enumerate(lines[1:]))])
    )
    assert cli("decode", "rows.safetensors", "kept.csv", "-o", "kept.npy", cwd=work).code == 0
    expected = diabolo.load(work / "rows.safetensors").decode(latents.astype(np.float32))
    np.testing.assert_array_equal(np.load(work / "kept.npy"), expected)
    (work / "seven.csv").write_text("\n".join([f"{lines[0]},latent_6", *(f"{each},0" for each in lines[1:])]))
    done = cli("decode", "rows.safetensors", "seven.csv", "-o", "seven.npy", cwd=work)
    assert done.code == 2
    assert (
        "seven.csv holds 7 latents, latent_0 to latent_6, and this model has 6: use the model that encoded" in done.err
    )
    assert not (work / "seven.npy").exists()

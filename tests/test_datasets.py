import gzip
from pathlib import Path

import numpy as np
import pytest

from diabolo import datasets
from diabolo.data.readers import idx
from diabolo.errors import DataError


def test_digits_are_ten_thousand_real_digits_in_two_parts(digits):
    assert digits.x_train.shape == (9000, 28, 28)
    assert digits.x_test.shape == (1000, 28, 28)
    assert digits.x_train.dtype == digits.y_test.dtype == np.uint8
    assert np.bincount(np.concatenate([digits.y_train, digits.y_test])).tolist() == [
        1001, 1127, 991, 1032, 980, 863, 1014, 1070, 944, 978,
    ]  # fmt: skip
    assert set(digits.y_test) == set(range(10))


def test_the_packaged_file_is_small_and_its_licence_lies_next_to_it():
    folder = Path(datasets.__file__).parent / "files"
    assert (folder / "digits.npz").stat().st_size < 2_000_000
    assert "MIT" in (folder / "LICENSE-digits.txt").read_text()
    assert "mnist` 1.1.0" in (folder / "README.md").read_text()


def test_every_packaged_digit_is_an_mnist_training_image_with_its_label(digits, data_dir):
    mnist = datasets.mnist(data_dir)
    known = {image.tobytes(): label for image, label in zip(mnist.x_train, mnist.y_train, strict=True)}
    tested = {image.tobytes() for image in mnist.x_test}
    images = np.concatenate([digits.x_train, digits.x_test])
    labels = np.concatenate([digits.y_train, digits.y_test])
    assert len({image.tobytes() for image in images}) == 10_000
    for image, label in zip(images, labels, strict=True):
        assert known[image.tobytes()] == label
        assert image.tobytes() not in tested


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_the_complete_sets_are_read_from_a_folder_and_from_the_environment(name, data_dir, monkeypatch):
    data = datasets.DATASETS[name](data_dir)
    assert [array.shape for array in data] == [(60000, 28, 28), (60000,), (10000, 28, 28), (10000,)]
    monkeypatch.setenv("DIABOLO_DATA", str(data_dir))
    assert np.array_equal(datasets.DATASETS[name](None).x_test, data.x_test)


def test_a_folder_without_the_files_says_what_to_put_where(tmp_path):
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte.gz there, found none: put it there"):
        datasets.mnist(tmp_path)


def test_a_file_with_other_content_is_refused(tmp_path):
    (tmp_path / "mnist").mkdir()
    header = bytes([0, 0, 8, 1]) + (3).to_bytes(4, "big")
    for part in datasets.PARTS:
        (tmp_path / "mnist" / part).write_bytes(header + b"abc")
    with pytest.raises(DataError, match="expected the original train-images-idx3-ubyte of mnist"):
        datasets.mnist(tmp_path)


def test_without_a_folder_and_without_a_network_one_line_says_what_to_do(tmp_path, run):
    script = (
        "from diabolo import datasets, DiaboloError\ntry: datasets.mnist()\nexcept DiaboloError as error: print(error)"
    )
    # A proxy that nobody listens at: the download fails at once, with or without a network.
    closed = {name: "http://127.0.0.1:9" for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")}
    nowhere = {
        "XDG_CACHE_HOME": str(tmp_path),
        "HOME": str(tmp_path),
        "DIABOLO_DATA": "",
        "no_proxy": "",
        "NO_PROXY": "",
    }
    done = run("-c", f"import os; os.environ.pop('DIABOLO_DATA')\n{script}", env=closed | nowhere)
    assert done.code == 0, done.err
    assert "could not fetch mnist" in done.out
    assert "pass --data-dir FOLDER" in done.out
    assert done.out.count("\n") == 1


def test_idx_reads_what_it_describes(tmp_path, rng):
    for code, dtype in idx.TYPES.items():
        array = (100 * rng.random((3, 4))).astype(dtype)
        content = bytes([0, 0, code, 2]) + (3).to_bytes(4, "big") + (4).to_bytes(4, "big") + array.tobytes()
        np.testing.assert_array_equal(idx.parse(content, where="here"), array)
        (tmp_path / "a.gz").write_bytes(gzip.compress(content))
        np.testing.assert_array_equal(idx.read(tmp_path / "a.gz"), array)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected an IDX file"),
        (b"\0\0\7\1\0\0\0\1a", "expected an IDX file"),
        (b"\0\0\x08\x03\0\0", "header is cut off"),
        (b"\0\0\x08\1\0\0\0\5abc", r"announces the shape \(5,\), 5 bytes, but 3 follow"),
        (b"\0\0\x08\2\xff\xff\xff\xff\xff\xff\xff\xffabc", "but 3 follow"),
    ],
)
def test_idx_that_does_not_agree_with_itself_is_refused(content, message):
    with pytest.raises(DataError, match=message):
        idx.parse(content, where="here")


def test_a_broken_gzip_is_one_line(tmp_path):
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"abcdefgh" * 100)[:-20])
    with pytest.raises(DataError, match="cannot be read"):
        idx.read(tmp_path / "a.gz")

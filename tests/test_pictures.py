"""Folders of pictures."""

import logging

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from diabolo import Autoencoder
from diabolo.data.opening import open_rows, open_stream
from diabolo.data.readers import images, picture_files
from diabolo.data.readers.picture_files import ImageOptions
from diabolo.data.tables import Reading
from diabolo.errors import DataError, ShapeError

FAST = {"structure": [8], "epochs": 1, "random_state": 0, "verbose": False}


@pytest.fixture
def folder(tmp_path, digits):
    """12 digits in two subfolders, in files of several kinds."""
    for at in range(12):
        path = tmp_path / "pictures" / f"class{at % 2}"
        path.mkdir(parents=True, exist_ok=True)
        Image.fromarray(digits.x_train[at]).save(path / f"{at:02d}.{('png', 'bmp', 'tiff')[at % 3]}")
    return tmp_path / "pictures"


def test_a_folder_is_its_pictures_in_the_order_of_their_names(folder, digits):
    opened = open_rows(str(folder), 1 << 30)
    order = [*range(0, 12, 2), *range(1, 12, 2)]
    np.testing.assert_array_equal(opened.rows, digits.x_train[order])
    paths = images.find(folder)
    assert images.labels(folder, paths) == ["class0"] * 6 + ["class1"] * 6
    np.testing.assert_array_equal(open_rows(paths[:3], 1 << 30).rows, digits.x_train[order[:3]])
    np.testing.assert_array_equal(open_rows(str(folder / "class0" / "*.png"), 1 << 30).rows, digits.x_train[[0, 6]])


def test_pictures_of_other_kinds_are_said_to_be_left_out(folder, caplog):
    (folder / "class0" / "cat.heic").write_bytes(b"ftypheic")
    (folder / "notes.txt").write_text("no picture")
    with caplog.at_level(logging.WARNING):
        assert len(images.find(folder)) == 12
    assert "left out 1 of the pictures, in formats that are not read, such as" in caplog.text
    assert "cat.heic" in caplog.text


def test_pictures_train_encode_and_come_back_as_bytes(folder):
    net = Autoencoder(2, **FAST).fit(folder)
    assert net.encode(folder).shape == (12, 2)
    assert net.reconstruct(str(folder)).dtype == np.uint8
    np.testing.assert_array_equal(net.encode(images.find(folder)), net.encode(folder))


def test_the_subfolder_of_a_picture_is_its_label_next_to_the_latents(cli, folder, tmp_path):
    Autoencoder(2, **FAST).fit(folder).save(tmp_path / "m")
    done = cli("encode", "m.safetensors", "pictures", "--keep", "file,label", "-o", "z.csv")
    assert done.code == 0, done.err
    frame = pd.read_csv(tmp_path / "z.csv")
    assert list(frame) == ["file", "label", "latent_0", "latent_1"]
    assert list(frame["label"]) == ["class0"] * 6 + ["class1"] * 6


def test_more_pictures_than_memory_are_decoded_once(folder, monkeypatch):
    calls = []
    read = picture_files.read
    monkeypatch.setattr(picture_files, "read", lambda path, look: calls.append(path) or read(path, look))
    stream = open_rows(str(folder), 1)
    first, second = (np.concatenate(list(stream.chunks(5))) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert len(calls) <= 13  # one more is looked at for its size


def test_pictures_are_turned_as_their_exif_says(tmp_path):
    pixels = np.zeros((20, 30, 3), np.uint8)
    pixels[:5] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter, clockwise
    Image.fromarray(pixels).save(tmp_path / "a.jpg", exif=exif, quality=95)
    picture = picture_files.read(tmp_path / "a.jpg", ImageOptions())
    assert picture.shape == (30, 20, 3)
    assert picture[:, -4:].mean() > 240 > 10 > picture[:, :10].mean()


@pytest.mark.parametrize(
    ("mode", "shape"),
    [("L", (9, 7)), ("1", (9, 7)), ("RGB", (9, 7, 3)), ("RGBA", (9, 7, 4)), ("P", (9, 7, 3)), ("LA", (9, 7, 4))],
)
def test_every_mode_becomes_grey_or_colour(tmp_path, mode, shape):
    Image.new(mode, (7, 9)).save(tmp_path / "a.png")
    assert picture_files.read(tmp_path / "a.png", ImageOptions()).shape == shape
    assert picture_files.read(tmp_path / "a.png", ImageOptions(grayscale=True)).shape == (9, 7)
    assert picture_files.read(tmp_path / "a.png", ImageOptions(size=(4, 5))).shape == (4, 5, *shape[2:])


def bomb(path):
    """A PNG of a few bytes that announces a million million pixels."""
    Image.new("L", (1, 1)).save(path)
    content = bytearray(path.read_bytes())
    content[16:24] = (1_000_000).to_bytes(4, "big") * 2
    import zlib

    content[29:33] = zlib.crc32(bytes(content[12:29])).to_bytes(4, "big")
    path.write_bytes(bytes(content))


def halved(path):
    """A GIF of two frames, cut off within the second one."""
    path = path.with_suffix(".gif")
    noise = np.random.default_rng(0).integers(0, 255, (2, 28, 28), np.uint8)
    frames = [Image.fromarray(each) for each in noise]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    path.write_bytes(path.read_bytes()[:-400])


BAD = {
    "cut.png": (lambda p: p.write_bytes(p.read_bytes()[:-60]), "the picture is damaged"),
    "text.png": (lambda p: p.write_text("hello"), "expected a picture .*, got something else"),
    "bomb.png": (bomb, "pixels|make it smaller"),
    "deep.png": (
        lambda p: Image.fromarray(np.zeros((28, 28), np.uint16)).save(p),
        "is of 16 bits a channel, .* of 8 bits a channel: convert it, for example with: magick mogrify -depth 8 ",
    ),
    "float.tif": (lambda p: Image.fromarray(np.zeros((28, 28), np.float32)).save(p), "8 or 16 bits for each pixel"),
    "text.ppm": (lambda p: p.write_text("P3\n1 1\n999\n7 8 9\n"), "16 bits as bytes, got them as text: convert it"),
    "wide.png": (lambda p: Image.new("L", (30, 28)).save(p), "is 30 x 28 pixels, .* 28 x 28 pixels: add --size 28x28"),
    "colour.png": (lambda p: Image.new("RGB", (28, 28)).save(p), "is in colour, .* grey: add --grayscale or --color"),
}


@pytest.mark.parametrize("name", sorted(BAD))
def test_a_bad_picture_is_named_and_can_be_left_out(folder, name):
    make, message = BAD[name]
    path = folder / "class1" / f"zz-{name}"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (28, 28), np.uint8)).save(path)
    make(path)
    with pytest.raises((DataError, ShapeError), match=message) as refused:
        open_rows(str(folder), 1 << 30, reading=Reading(pictures=ImageOptions(typed=True)))
    assert f"zz-{name}" in str(refused.value)
    assert "\n" not in str(refused.value)
    left_out = []
    look = ImageOptions(skip_bad=lambda path, reason: left_out.append(path.name))
    rows = np.concatenate(list(open_stream(str(folder), reading=Reading(pictures=look)).chunks(100)))
    assert rows.shape == (12, 28, 28)
    assert left_out == [f"zz-{name}"]


def test_the_largest_anomalies_among_pictures_are_named_by_their_files(cli, folder, digits):
    Image.fromarray(255 - digits.x_train[0]).save(folder / "class0" / "odd.png")
    (folder / "class0" / "bad.png").write_text("hello")
    done = cli("score", "pictures", "--size", "10", "--skip-bad", "--top", "1")
    assert done.code == 0, done.err
    assert "pictures/class0/odd.png" in done.out
    assert "pixel (" in done.out
    assert done.err.count("left out: pictures/class0/bad.png") == 1


def test_an_empty_folder_and_other_sizes_say_what_to_type(cli, folder, tmp_path):
    (tmp_path / "nothing").mkdir()
    done = cli("fit", "nothing")
    assert done.code == 2
    assert "nothing: expected pictures, or files of kind" in done.err
    done = cli("fit", "pictures", "--epochs", "1", "--size", "14", "--grayscale", "--latent", "2")
    assert done.code == 0, done.err
    done = cli("encode", "pictures.safetensors", "pictures")
    assert done.code == 2
    assert (
        "00.png is 28 x 28 pixels, those of the model are 14 x 14 pixels: add --size 14x14, or convert them."
        in done.err
    )
    done = cli("encode", "pictures.safetensors", "pictures", "--size", "14x14")
    assert done.code == 0, done.err
    assert np.load(tmp_path / "pictures-latents.npy").shape == (12, 2)
    (folder / "broken.png").write_text("no")
    score = ("score", "pictures.safetensors", "pictures", "--size", "14", "--skip-bad", "--keep")
    done = cli(*score, "file", "-o", "scores.csv")
    assert done.code == 0, done.err
    assert "left out: pictures/broken.png" in done.err
    files = [line.split(",")[0].strip('"') for line in (tmp_path / "scores.csv").read_text().splitlines()]
    assert files == ["file", *(str(path.relative_to(folder)) for path in images.find(folder)[1:])]
    done = cli(*score, "name", "-o", "names.csv")
    assert done.code == 2
    assert "unknown column 'name'. Known: file, label." in done.err
    done = cli("fit", "pictures", "--size", "14,3", "-o", "other")
    assert "--size expected WIDTHxHEIGHT, such as 64x48, got '14,3'" in done.err


def test_a_model_of_resized_pictures_names_the_options_that_others_need(cli, tmp_path, digits):
    folder = tmp_path / "photos"
    folder.mkdir()
    for at in range(12):
        photo = Image.fromarray(digits.x_train[at]).convert("RGB")
        photo.resize((30 + at, 20)).save(folder / f"{at:02d}.png")
    asked = ("--size", "16x12", "--grayscale")
    done = cli("fit", "photos", *asked, "--latent", "2", "--epochs", "1")
    assert done.code == 0, done.err
    for verb in ("encode", "score", "reconstruct"):
        done = cli(verb, "photos.safetensors", "photos")
        assert done.code == 2
        expected = (
            "00.png is 30 x 20 pixels and in colour, those of the model are 16 x 12 pixels and grey: add --size 16x12 "
            "--grayscale, or convert them."
        )
        assert expected in done.err
    done = cli("encode", "photos.safetensors", "photos", "--size", "16x12")
    assert "00.png is in colour, those of the model are grey: add --grayscale, or convert them." in done.err
    assert cli("encode", "photos.safetensors", "photos", *asked).code == 0
    done = cli("reconstruct", "photos.safetensors", "photos", *asked, "-o", "back", "--picture", "some.png")
    assert done.code == 0, done.err
    with Image.open(tmp_path / "back" / "00.png") as back, Image.open(tmp_path / "some.png") as some:
        assert back.size == (16, 12)
        assert np.asarray(some.convert("L")).std() > 5


def test_grey_pictures_for_a_model_of_colours_are_to_be_converted(folder, digits):
    colours = np.repeat(digits.x_train[:40, :, :, None], 3, axis=3)
    net = Autoencoder(2, **FAST).fit(colours)
    with pytest.raises(ShapeError, match=r"is grey, those of the model are in colour: convert .* which has --color"):
        net.encode(folder)


def test_large_pictures_are_decoded_a_few_at_a_time(tmp_path, peak, run):
    for at in range(12):
        Image.new("1", (8000, 8000), at % 2).save(tmp_path / f"{at:02d}.png")
    script = """
import sys
from diabolo.data.opening import open_stream
for chunk in open_stream(sys.argv[1]).chunks(256):
    assert chunk.shape[1:] == (8000, 8000)
"""
    done = run("-c", script + peak, str(tmp_path))
    assert done.code == 0, done.err
    assert int(done.out) < 8e5  # kB; all of them together are 768 MB, decoded and stacked 1.5 GB

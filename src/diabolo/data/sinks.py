"""Writes what a verb gives: .npy, .npz, .csv by ending, or a folder of PNGs for images."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from diabolo.errors import OutputError, unknown
from diabolo.files import refuse_existing, write_atomically

Array = np.ndarray[Any, Any]
ENDINGS = (".npy", ".npz", ".csv")


def check(path: Path, *, force: bool, images: bool = False) -> None:
    """Raise OutputError before any work where `write` could not do its own."""
    if is_folder(path):
        if not images:
            raise OutputError(f"{path} has no ending: expected a file, one of {', '.join(ENDINGS)}.")
        # Not even with `force`: pictures of two runs in one folder could not be told apart.
        if path.exists() and not (path.is_dir() and not any(path.iterdir())):
            raise OutputError(f"{path} exists and is not an empty folder: choose another, or empty it.")
        return
    if path.suffix not in ENDINGS:
        raise OutputError(f"{path}: {unknown('kind of output', path.suffix, ENDINGS)}")
    refuse_existing(path, force=force)


def is_folder(path: Path) -> bool:
    """Whether an output names a folder for pictures: it is one, or it has no ending."""
    return path.is_dir() or not path.suffix


def write(path: Path, values: Array, *, name: str, force: bool) -> str:
    """Write values (n, ...) and return what was written, in words.

    Args: name: of the array in an .npz, and of the columns in a .csv ("latent" gives latent_0, latent_1, ...).
    Raises: OutputError.
    """
    check(path, force=force, images=True)
    if is_folder(path):
        _write_pngs(path, values)
        return f"{path}/: {len(values):,} PNGs"
    if path.suffix == ".csv":
        columns = values.reshape(len(values), -1)
        header = ",".join(f"{name}_{at}" for at in range(columns.shape[1]))
        style = "%d" if values.dtype.kind in "iu" else "%.9g" if values.dtype == np.float32 else "%.17g"
        write_atomically(
            path, lambda file: np.savetxt(file, columns, fmt=style, delimiter=",", header=header, comments="")
        )
    elif path.suffix == ".npz":
        write_atomically(path, lambda file: np.savez_compressed(file, allow_pickle=False, **{name: values}))
    else:
        write_atomically(path, lambda file: np.save(file, values))
    return f"{path}: {values.dtype} {values.shape}"


def _write_pngs(folder: Path, images: Array) -> None:
    from PIL import Image

    grey_or_colour = images.ndim == 3 or (images.ndim == 4 and images.shape[3] in (1, 3, 4))
    if not grey_or_colour:
        raise OutputError(
            f"{folder}: rows of shape {images.shape[1:]} are no images: write them to .npy, .npz or .csv."
        )
    if images.dtype != np.uint8:
        low, high = float(images.min()), float(images.max())
        # Values in [0, 1] are shown as they are; any others over their own range.
        low, high = (0.0, 1.0) if low >= 0 and high <= 1 else (low, high)
        images = np.rint(np.clip((images - low) / ((high - low) or 1.0), 0, 1) * 255).astype(np.uint8)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder} could not be made: {error.strerror or error}.") from error
    digits = len(str(len(images) - 1))
    for place, image in enumerate(images):
        picture = Image.fromarray(image[..., 0] if image.ndim == 3 and image.shape[2] == 1 else image)
        write_atomically(folder / f"{place:0{digits}d}.png", partial(picture.save, format="PNG"))

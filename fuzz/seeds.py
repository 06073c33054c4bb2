"""`python -m fuzz.seeds`: make the corpus anew; a few kilobytes, from which atheris goes on."""

import gzip
import io
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from diabolo import AnomalyDetector, Autoencoder

CORPUS = Path(__file__).parent / "corpus"
QUICK = {"structure": [], "epochs": 1, "random_state": 0, "verbose": False}


def main() -> None:
    """Write every seed."""
    for name, content in seeds().items():
        path = CORPUS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def seeds() -> dict[str, bytes]:
    """Return the seeds by their places."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(40, 3))
    frame = pd.DataFrame({"a": rows[:, 0], "b": np.where(rows[:, 1] > 0, "x", "y"), "c": rows[:, 2] > 0})
    frame["d"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(40), unit="D")
    frame.loc[3, "a"] = np.nan
    table = {"model/array": Autoencoder(1, **QUICK).fit(rows), "model/table": Autoencoder(1, **QUICK).fit(frame)}
    table["model/detector"] = AnomalyDetector(Autoencoder(1, **QUICK), random_state=0).fit(rows[:8])
    made = {name: _saved(model) for name, model in table.items()}
    numbers = b"\0\0\x08\x02\0\0\0\x02\0\0\0\x03" + bytes(6)
    made |= {"idx/bytes": numbers, "idx/gzip": gzip.compress(numbers, mtime=0)}
    made["idx/floats"] = b"\0\0\x0d\x01\0\0\0\x01" + bytes(4)
    arrays = {"rows": rows[:2], "bytes": np.zeros((2, 2, 2), np.uint8), "order": np.asfortranarray(rows[:2])}
    made |= {f"npy/{name}": _written(np.save, array) for name, array in arrays.items()}
    made["npy/several"] = _written(partial(np.savez_compressed, a=rows[:2, 0], b=rows[:2, 1]))
    made["csv/table"] = frame[:4].to_csv(index=False).encode()
    made["csv/numbers"] = b"1,2,3\n4,5.5,6e3\n"
    made["csv/quotes"] = 'name;"a;b"\n"two\nlines";1,5\né;?\n'.encode()
    made["csv/tabs"] = b"\xef\xbb\xbf\n0\t1\t2\n1\t2\t\n"
    grey = [Image.fromarray(np.arange(at, at + 12, dtype=np.uint8).reshape(3, 4)) for at in range(3)]
    deep = Image.fromarray(np.arange(12, dtype=np.uint16).reshape(3, 4))
    for ending in ("png", "gif", "tiff", "bmp", "ppm", "webp", "jpeg"):
        made[f"picture/{ending}"] = _picture(grey[0].convert("RGB"), ending)
    for ending in ("png", "gif", "tiff", "webp"):
        made[f"picture/frames-{ending}"] = _picture(grey[0], ending, save_all=True, append_images=grey[1:])
    made |= {f"picture/deep-{ending}": _picture(deep, ending) for ending in ("png", "tiff")}
    made["picture/deep-ppm"] = b"P6 2 1 65535\n" + bytes(range(12))
    return made


def _picture(picture: Image.Image, form: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def _saved(model: Autoencoder | AnomalyDetector) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return Path(model.save(Path(folder) / "m")).read_bytes()


def _written(write: Callable[..., object], *arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    write(file, *arrays)
    return file.getvalue()


if __name__ == "__main__":
    main()

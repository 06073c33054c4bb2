"""`python -m fuzz.seeds`: make the corpus anew; a few kilobytes, from which atheris goes on."""

import bz2
import gzip
import io
import lzma
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
from PIL import Image
from scipy.io import savemat

from diabolo import AnomalyDetector, Autoencoder
from diabolo.data.formats import BY_ENDING

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
    sound = pa.table({"a": [1.0, 2.5, None], "b": ["x", "y", None], "c": [True, False, True]})
    for ending in (".feather", ".json", ".jsonl", ".parquet", ".xlsx"):
        file = io.BytesIO()
        BY_ENDING[ending].write([sound], file)
        made[f"{ending[1:]}/table"] = file.getvalue()
    made["arff/table"] = b"@relation t\n@attribute a numeric\n@attribute 'b c' {x,'y z'}\n@data\n1,x\n?,'y z'\n{0 2}\n"
    made["mat/plain"] = _written(lambda file, array: savemat(file, {"X": array}), rows[:4])
    made["mat/packed"] = _written(lambda file, array: savemat(file, {"X": array}, do_compression=True), rows[:4])
    made["h5/array"] = _written(_hdf5, rows[:4])
    csv = b"a,b\n1,2\n3,4\n"
    made |= {"packed/gz": gzip.compress(csv, mtime=0), "packed/bz2": bz2.compress(csv), "packed/xz": lzma.compress(csv)}
    made["packed/zst"] = pa.compress(csv, "zstd", asbytes=True)
    made["ods/table"] = _written(
        lambda file, _: frame[["a", "b"]].head(3).to_excel(file, index=False, engine="odf"), rows
    )
    return made


def _hdf5(file: io.BytesIO, array: np.ndarray) -> None:
    with h5py.File(file, "w") as opened:
        opened["X"] = array


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

"""Model files as they were written once: every format version that there was is read, and gives what it gave."""

from pathlib import Path

import numpy as np
import pytest

from diabolo import AnomalyDetector, load
from diabolo.model import file as modelfile

FOLDER = Path(__file__).parent / "golden"
FILES = sorted(FOLDER.glob("*.safetensors"))


def test_the_present_format_version_has_files():
    assert any(path.stem.endswith(f"-v{modelfile.FORMAT_VERSION}") for path in FILES)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_model_file_of_any_time_gives_what_it_gave(path):
    with np.load(path.with_suffix(".npz")) as kept:
        expected = dict(kept)
    rows = expected.pop("rows")
    model = AnomalyDetector.load(path) if path.name.startswith("detector") else load(path)
    verbs = {"latents": "encode", "reconstructions": "reconstruct", "scores": "score_samples"}
    for name, values in expected.items():
        found = getattr(model, verbs[name])(rows)
        if values.dtype == np.uint8:
            assert np.abs(found.astype(int) - values).max() <= 1  # of a picture, rounded
        else:
            np.testing.assert_allclose(found, values, rtol=1e-4, atol=1e-5)

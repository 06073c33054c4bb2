"""A trained model from a file, to be used without scikit-learn and TensorFlow."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from diabolo.errors import ModelFileError, OptionError
from diabolo.model import file as modelfile
from diabolo.model.model import Model
from diabolo.model.record import arguments
from diabolo.model.verbs import Verbs, card, with_model
from diabolo.network.layers import LAYERS, Layer


class LoadedModel(Verbs):
    """A trained model: encode, decode, reconstruct, score_samples and more, for frames, files and arrays.

    `Autoencoder.load` returns the estimator of the same file, which can be trained further.
    """

    def __init__(self, model: Model) -> None:
        with_model(self, model)

    def __repr__(self) -> str:
        """Return what the model is in one line."""
        network, rows = self.model_.network, self.model_.adapter.describe()
        return f"<diabolo model: {rows} -> {network.latent_dim} latents>"

    def _repr_html_(self) -> str:
        """Return a card, which notebooks show."""
        return card(self.model_, "diabolo model")

    def __getattr__(self, name: str) -> NoReturn:
        of_estimator = ": it is an attribute of the estimator, which Autoencoder.load(path) returns"
        known = name in ("fit", "partial_fit", "transform", "inverse_transform", "get_params", "set_params", "advise")
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}{of_estimator if known else ''}.")

    def __getstate__(self) -> dict[str, Any]:
        return self._pickled(vars(self).copy())

    def __setstate__(self, state: dict[str, Any]) -> None:
        with_model(self, modelfile.from_bytes(state["model_"], state.get("_own_layers")))


def load(
    path: str | Path, *, layers: Mapping[str, type[Layer]] | None = None, expect_sha256: str | None = None
) -> LoadedModel:
    """Return the model in a file. It needs neither TensorFlow nor scikit-learn, and runs no code from the file.

    Args:
        path: of the file.
        layers: classes of layers of your own, by the kinds that the file names: {"scaled": Scaled}.
        expect_sha256: of the whole file, in hexadecimal, as `diabolo verify` prints it; any other file is refused.

    Raises: ModelFileError for anything that is not a valid model; OptionError for a bad SHA-256, or a bad layer.
    """
    model = modelfile.load(path, layers=layers, expect_sha256=expect_sha256)
    try:
        arguments(model.record.settings, LAYERS | model.network.own_layers())
    except OptionError as error:  # layers in the settings that are none
        raise ModelFileError(f"{path} is not a valid Diabolo model: {error}") from error
    return LoadedModel(model)

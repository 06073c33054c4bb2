"""A user's own layers: subclasses of Layer that are not in the table.

A model file names the kind of a layer and its settings, but never its class: whoever reads the file passes the class.
"""

import re
from collections.abc import Iterable, Mapping

from diabolo.errors import OptionError
from diabolo.network.layers.base import Layer

Own = Mapping[str, type[Layer]]


def with_own(table: Mapping[str, type[Layer]], own: Own | None) -> dict[str, type[Layer]]:
    """Return the table with a user's own layers, by kind. Raises OptionError for wrong classes and for taken names."""
    if own is not None and not isinstance(own, Mapping):
        raise OptionError(f"layers must be a dict from kinds to classes, got {own!r:.60}.")
    for kind, layer in (own or {}).items():
        if not (isinstance(layer, type) and issubclass(layer, Layer)) or getattr(layer, "kind", None) != kind:
            raise OptionError(f"layers: {kind!r:.40} must be a subclass of Layer of this kind, got {layer!r:.60}.")
        if layer.to_keras is Layer.to_keras or layer.to_onnx is Layer.to_onnx:
            raise OptionError(f"layers: {kind!r:.40} must define to_keras() and to_onnx().")
        if kind in table or not re.fullmatch("[a-z][a-z0-9_]{0,40}", kind):
            raise OptionError(
                f"layers: the kind of your own layer must be a new name such as 'scaled', got {kind!r:.60}."
            )
    return {**table, **(own or {})}


def of(layers: Iterable[Layer], table: Mapping[str, type[Layer]]) -> dict[str, type[Layer]]:
    """Return the classes of those layers that the table does not have, by kind. Raises OptionError as `with_own`."""
    found: dict[str, type[Layer]] = {}
    for layer in layers:
        if type(layer) not in table.values():
            kind = getattr(layer, "kind", type(layer).__name__)
            if found.setdefault(kind, type(layer)) is not type(layer):
                raise OptionError(f"two layers are of the kind {kind!r:.40}: {found[kind]!r:.60}, {type(layer)!r:.60}.")
    with_own(table, found)
    return found

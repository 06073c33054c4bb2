"""How rows become tensors of the network and back, described for the browser: `Adapter` in web/src/format.ts."""

from typing import Any

from diabolo.data.adapters import Adapter, ArrayAdapter, TableAdapter

FIELDS = ("center", "scale", "knots", "marks", "periods", "mean")  # of features


def facts(adapter: Adapter) -> dict[str, Any]:
    """Return the adapter as JSON values."""
    if isinstance(adapter, TableAdapter):
        features = []
        for at, feature in enumerate(adapter.features):
            place = adapter.places[at]
            known = {name: _plain(getattr(feature, name)) for name in FIELDS if hasattr(feature, name)}
            features.append({"kind": feature.kind, "start": place.start, "width": place.stop - place.start, **known})
        return {"kind": "table", "features": features, "gaps": adapter.gaps, "width": len(adapter.owners)}
    assert isinstance(adapter, ArrayAdapter)
    return {
        "kind": "affine",
        "offset": adapter.offset.tolist(),
        "divisor": adapter.divisor.tolist(),
        "scale": adapter.scale.tolist(),
        "most": 255 if adapter.gives_bytes else 65_535 if adapter.gives_16_bits else None,
        "gaps": adapter.gaps,
    }


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else float(value)

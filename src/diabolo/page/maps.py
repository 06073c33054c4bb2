"""Maps of the latents: two numbers for each row. PCA always; t-SNE, UMAP and PaCMAP on request, and cached.

Order: all maps, one map, how they are made.
"""

import contextlib
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from diabolo import missing
from diabolo.errors import OptionError, OutputError, unknown
from diabolo.page.blocks import Blocks
from diabolo.report.pca import components_of
from diabolo.storage.files import write_atomically
from diabolo.typing import Float32Array, Float64Array

SLOW_ROWS = 20_000  # above which t-SNE takes minutes

LEAST_ROWS = 10  # for the methods below

Facts = dict[str, Any]


def maps(latents: Float32Array, blocks: Blocks, asked: tuple[str, ...] = ()) -> list[Facts]:
    """Return the maps, as `MapFacts` in web/src/format.ts; those of `asked` come first.

    Args: latents: (n, latent_dim); blocks: gets the coordinates; asked: names of `METHODS`.
    Raises: OptionError for another name; MissingExtraError.
    """
    for name in asked:
        if name not in METHODS:
            raise OptionError(unknown("map (--map)", name, METHODS))
    if asked and (len(latents) < LEAST_ROWS or latents.shape[1] < 2):
        few = f"{len(latents)} rows" if len(latents) < LEAST_ROWS else "one latent, which is a map itself"
        needs = f"needs at least {LEAST_ROWS} rows and two latents"
        raise OptionError(f"a map by {asked[0]} {needs}, got {few}: leave --map out.")
    return [*(_by(name, latents, blocks) for name in asked), _first(latents, blocks)]


def _first(latents: Float32Array, blocks: Blocks) -> Facts:
    """Return the plane of one or two latents, or the first two principal components of more."""
    count = latents.shape[1]
    if count <= 2:
        both = np.column_stack([latents, np.zeros(len(latents))]) if count == 1 else latents
        note = "The two latents." if count == 2 else "The latent, from left to right."
        return _facts("latents", both, blocks, note, plane=True)
    centered = latents.astype(np.float64) - latents.mean(axis=0, dtype=np.float64)
    components, _ = components_of(centered, 2)
    share = float(np.square(centered @ components.T).sum() / max(np.square(centered).sum(), 1e-300))
    return _facts(
        "PCA", centered @ components.T, blocks, f"The first two principal components: {share:.0%} of the variance."
    )


def _facts(name: str, places: Float64Array | Float32Array, blocks: Blocks, note: str, *, plane: bool = False) -> Facts:
    block = blocks.add_rounded(f"map/{name.lower()}", np.asarray(places, np.float64), "u2")
    return {"name": name, "block": block, "plane": plane, "note": note}


def _by(name: str, latents: Float32Array, blocks: Blocks) -> Facts:
    method, words = METHODS[name]
    digest = hashlib.sha256(name.encode() + str(latents.shape).encode() + np.ascontiguousarray(latents).tobytes())
    kept = _cache() / f"{name}-{digest.hexdigest()[:32]}.npy"
    places: Float32Array | None = None
    if kept.is_file():
        try:
            found = np.load(kept, allow_pickle=False)
            places = found if found.shape == (len(latents), 2) else None
        except (OSError, ValueError):
            places = None  # it is computed again
    if places is None:
        places = np.asarray(method(latents), np.float32)
        computed = places
        with contextlib.suppress(OSError, OutputError):  # without a cache it is computed again the next time
            kept.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(kept, lambda file: np.save(file, computed), force=True)
    return _facts(words, places, blocks, f"{words} of the latents: similar rows are close, long distances mean little.")


def _cache() -> Path:
    """Return the folder of maps that were computed before."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "diabolo" / "maps"


def _tsne(latents: Float32Array) -> Float32Array:
    missing.check("sklearn", "a map by t-SNE")
    from sklearn.manifold import TSNE

    perplexity = min(30.0, max(1.0, (len(latents) - 1) / 3))
    found: Float32Array = TSNE(init="pca", perplexity=perplexity, random_state=0).fit_transform(latents)
    return found


def _umap(latents: Float32Array) -> Float32Array:
    missing.check("umap", "a map by UMAP")
    import umap

    found: Float32Array = umap.UMAP(random_state=0, n_jobs=1).fit_transform(latents)
    return found


def _pacmap(latents: Float32Array) -> Float32Array:
    missing.check("pacmap", "a map by PaCMAP")
    import pacmap

    found: Float32Array = pacmap.PaCMAP(random_state=0).fit_transform(latents)
    return found


METHODS: dict[str, tuple[Callable[[Float32Array], Float32Array], str]] = {
    "tsne": (_tsne, "t-SNE"),
    "umap": (_umap, "UMAP"),
    "pacmap": (_pacmap, "PaCMAP"),
}

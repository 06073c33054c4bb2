"""Puts a page together: the header, the blocks, and the file that the browser opens.

Order: what is asked for, a page, its parts, the file.
"""

import base64
import datetime
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from diabolo._version import __version__
from diabolo.errors import OptionError, OutputError, unknown
from diabolo.model.model import Model
from diabolo.page import adapters, cells, facts, maps, networks
from diabolo.page.blocks import Blocks
from diabolo.page.rows import PageRows
from diabolo.storage.files import write_atomically
from diabolo.typing import Float32Array, Rows

FORMAT = 1
WITHOUT = ("originals", "labels", "decoder")  # what may be left out
TRIED = 256  # rows on which rounded weights are tested
PLACE = "<!--DIABOLO-->"  # in the built page, where the data goes

Facts = dict[str, Any]
# Takes a model, the rows of its page and the blocks, and returns `Anomalies` of web/src/format.ts.
Anomalies = Callable[..., Facts]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a page is to contain.

    Attributes:
        view: the first view, "report" or "explore".
        maps: names of more maps, see `maps.METHODS`.
        without: what to leave out, of `WITHOUT`.
        encoder: contain the encoder even if it makes the file much larger; it is needed to edit rows.
        only_model: no rows, and nothing that was computed from rows except the record of the training.
        title: of the page; None: the name of the model's file.
        file: name of the model's file.
        train: rows that PCA is fitted on; None: the rows of the page.
        evaluated_on: which rows those of the page are: "test", "validation", "training" or "given".
        anomalies: finds anomalous rows; None: the page has no anomalies.
        search: the result of a search, as `SearchFacts` in web/src/format.ts.
    """

    view: str = "report"
    maps: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    encoder: bool = False
    only_model: bool = False
    title: str | None = None
    file: str = "model"
    train: Rows | None = field(default=None, repr=False)
    evaluated_on: str = "given"
    anomalies: Anomalies | None = None
    search: Facts | None = None

    def __post_init__(self) -> None:
        """Raise OptionError for something that cannot be left out."""
        for each in self.without:
            if each not in WITHOUT:
                raise OptionError(unknown("part to leave out (--without)", each, WITHOUT))


@dataclass(frozen=True)
class Page:
    """A page. Attributes: header: as `Header` in web/src/format.ts; blocks: by name."""

    header: Facts
    blocks: Blocks

    def fragment(self) -> str:
        """Return header and blocks as scripts of HTML, which the browser does not run."""
        parts = [
            f'<script type="text/plain" data-block="{name}">{base64.b64encode(block.content).decode("ascii")}</script>'
            for name, block in self.blocks.all.items()
        ]
        return "\n".join([self.head(self.header), *parts])

    @staticmethod
    def head(header: Facts) -> str:
        """Return a header as a script of HTML."""
        text = json.dumps(header, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_number)
        # Nothing in a name or a cell can end the script, or begin a comment.
        text = text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
        return f'<script type="application/json" id="diabolo-header">{text}</script>'

    def html(self, more: str = "") -> str:
        """Return the whole file; its header states how large it is. Args: more: other scripts with data."""
        empty = template()
        fragment = replace(self, header=self.header | {"size": 0}).fragment() + more
        size = len((empty + fragment).encode()) - len(PLACE)
        size += len(str(size)) - 1
        return empty.replace(PLACE, replace(self, header=self.header | {"size": size}).fragment() + more, 1)

    def save(self, path: str | Path, *, force: bool = False) -> Path:
        """Write the file and return its path. Raises OutputError where it exists or cannot be written."""
        path, content = page_path(path), self.html().encode()
        write_atomically(path, lambda file: file.write(content), force=force)
        return path


def page_path(path: str | Path) -> Path:
    """Return where a page is written, with .html if the name has no ending. Raises OutputError for another ending."""
    path = Path(path)
    if path.suffix.lower() in (".html", ".htm"):
        return path
    if path.suffix:
        raise OutputError(f"{path}: a page is an HTML file: choose {path.with_suffix('.html')}.")
    return path.with_name(f"{path.name}.html")


def _number(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} is not a JSON value")


def template() -> str:
    """Return the built page, without data."""
    return resources.files("diabolo.page").joinpath("built/page.html").read_text("utf-8")


def page(model: Model, rows: PageRows | None, asked: Asked | None = None, *, base: str | None = None) -> Page:
    """Return the page of a model and some rows.

    Args:
        model: trained.
        rows: to show; None: the model alone.
        asked: what it is to contain.
        base: the path where a server answers; None: the page is a file.
    """
    asked, blocks, served = asked or Asked(), Blocks(), base is not None
    rows = None if asked.only_model else rows
    latents = np.zeros((0, model.network.latent_dim), np.float32)
    if rows is not None:
        latents = model.encode(rows.values, where="report()")
        if "labels" in asked.without:
            rows = rows.without_labels()
    evaluated = None
    if rows is not None:
        evaluated = facts.evaluation(model, rows, train=asked.train, evaluated_on=asked.evaluated_on)
    shown = "originals" not in asked.without
    decodes = "decoder" not in asked.without
    header: Facts = {
        "format": FORMAT,
        "title": asked.title or asked.file,
        "version": __version__,
        "made": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "size": None,
        "left": _left_out(asked),
        "view": asked.view,
        "base": base,
        "model": facts.model_facts(model, asked.file),
        "evaluation": evaluated,
        "findings": [] if rows is None or evaluated is None else facts.findings(model, rows, evaluated),
        "latents": None if rows is None else facts.latent_facts(model, rows, latents),
        "rows": None if rows is None else _row_facts(model, rows, latents, blocks, originals=shown, served=served),
        "columns": cells.columns(model, rows, blocks, originals=shown),
        "maps": [] if rows is None else maps.maps(latents, blocks, asked.maps),
        "anomalies": _anomalies(model, rows, blocks, asked, originals=shown),
        "search": asked.search,
        "adapter": adapters.facts(model.adapter),
        "decoder": networks.decoder(model, blocks, latents[:TRIED], served=served) if decodes else None,
        "encoder": networks.encoder(model, blocks, served=served, asked=asked.encoder) if decodes else None,
        "condition": _condition(model),
    }
    header["contents"] = _contents(header)
    return Page(_finite(header) | {"blocks": blocks.facts}, blocks)


def _anomalies(model: Model, rows: PageRows | None, blocks: Blocks, asked: Asked, *, originals: bool) -> Facts | None:
    if rows is None or asked.anomalies is None:
        return None
    return asked.anomalies(model, rows, blocks, originals=originals)


def _row_facts(
    model: Model, rows: PageRows, latents: Float32Array, blocks: Blocks, *, originals: bool, served: bool
) -> Facts:
    """Return what the rows are, as `RowFacts` in web/src/format.ts."""
    errors, pictures = model.squared_error_per_row(rows.values), model.adapter.kind == "image"
    numbered = bool((rows.numbers != np.arange(len(rows.values))).any())
    found: Facts = {
        "count": len(rows.values),
        "total": rows.total,
        "which": rows.which,
        "form": cells.form(model),
        "shape": cells.shape(model),
        "numbers": blocks.add("numbers", rows.numbers, "u4") if numbered else None,
        # One byte is precise enough for the latents of pictures; cells of a table need two.
        "latents": blocks.add_short("latents", latents, "u1" if pictures and latents.size > MANY else "u2"),
        "errors": blocks.add("errors", errors, "f4"),
        "unit": model.adapter.unit(model.loss.scaling),
        "originals": cells.originals(model, rows, blocks, served=served) if originals else None,
        "clusters": _clusters(latents, blocks),
    }
    if found["form"] == "image":
        found["range"] = cells.value_range(rows.values, model)
    if found["form"] == "series":
        count = found["shape"][-1]
        known = None if model.series is None else model.series.channels
        found["channels"] = [f"channel {at}" for at in range(count)] if known is None else list(known)
    return found


MANY = 200_000  # latents of pictures, which then get one byte each
CLUSTERS = 8
CLUSTERED = 20_000  # most rows that k-means is fitted on


def _clusters(latents: Float32Array, blocks: Blocks) -> str | None:
    """Store the cluster of each row by k-means, the largest cluster first; None if there are too few rows."""
    if len(latents) < 5 * CLUSTERS:
        return None
    import warnings

    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    from diabolo.data.splits import spread_evenly

    wide = (latents - latents.mean(axis=0)).astype(np.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer different rows than clusters
        found = KMeans(CLUSTERS, n_init=1, random_state=0).fit(wide[spread_evenly(len(wide), CLUSTERED)])
    places = found.predict(wide)
    order = np.argsort(-np.bincount(places, minlength=CLUSTERS), kind="stable")
    rank = np.empty(CLUSTERS, np.int64)
    rank[order] = np.arange(CLUSTERS)
    return blocks.add("clusters", rank[places], "u1")


def _condition(model: Model) -> Facts | None:
    if model.condition is None:
        return None
    return {"places": list(model.network.condition), "columns": list(model.condition.columns)}


def _left_out(asked: Asked) -> list[str]:
    words = {
        "originals": "the original rows",
        "labels": "the labels",
        "decoder": "the weights of the model",
    }
    return ["all rows"] * asked.only_model + [words[each] for each in asked.without]


def _contents(header: Facts) -> str:
    """Return in one line which data a page contains, for those who pass it on."""
    rows, parts = header["rows"], list[str]()
    if rows is not None:
        count = f"{rows['count']:,} row{'s' * (rows['count'] != 1)}"
        original = "original values, " if rows["originals"] is not None else ""
        parts.append(f"the {original}latents and errors of {count}")
        others = [each["name"] for each in header["columns"] if each["at"] is None]
        if others:
            shown = ", ".join(others[:5]) + (", ..." if len(others) > 5 else "")
            parts.append(f"the column{'s' * (len(others) > 1)} {shown}")
        if rows["originals"] is None and header["condition"] is not None:
            names = [each["name"] for each in header["columns"] if each.get("role") == "condition"]
            parts.append(f"the condition ({', '.join(names)})")
    if any(each.get("levels") and each["at"] is not None for each in header["columns"]):
        parts.append("the names of columns and levels")
    ways = {each["way"] for each in (header["decoder"], header["encoder"]) if each is not None}
    if ways - {"server"}:
        parts.append("the weights of the model")
    parts.append("the settings and the training curve")
    return f"This page contains {_listed(parts)}."


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])}, and {parts[-1]}"


def _finite(value: Any) -> Any:
    """Return JSON values with null for numbers that are not finite, and texts that any encoding can hold."""
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    if isinstance(value, str):
        return re.sub(r"[\ud800-\udfff]", "\ufffd", value)
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, (list, tuple)) else value

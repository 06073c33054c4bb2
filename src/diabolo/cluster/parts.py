"""One part of bulk work: a file of rows through a model, into one file. Knows nothing of Ray.

Order: the verbs, the job, the parts and the names of their results, the worker.
"""

import hashlib
import os
import platform
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

from diabolo.cluster import places
from diabolo.cluster.places import Found
from diabolo.data import sinks
from diabolo.data.kinds import is_table_of_rows
from diabolo.data.opening import columns_of
from diabolo.data.tables import Reading
from diabolo.errors import DataError, DiaboloError, OptionError, unknown
from diabolo.model import file as modelfile
from diabolo.model import runtime
from diabolo.model.conversion import Conversion, Verb, convert
from diabolo.model.model import Model
from diabolo.typing import Rows


def _scores(model: Model) -> Verb:
    detection = model.detection
    if detection is None:
        return model.loss_per_row
    from diabolo.anomaly.scoring import score

    def scores(rows: Rows, *, where: str, first_row: int) -> Rows:
        return score(model, detection, model.checked(rows, where=where, first_row=first_row))

    return scores


class Kind(NamedTuple):
    """What a verb makes: as the fields of `Conversion`."""

    name: str
    verb: Callable[[Model], Verb]
    rows: bool = False
    latents: bool = False
    fill: bool = False


VERBS = ("encode", "decode", "reconstruct", "score")
KINDS = {
    ("encode", False): Kind("latent", lambda model: model.encode),
    ("encode", True): Kind("code", lambda model: model.codes),
    ("decode", False): Kind("row", lambda model: model.decode, rows=True, latents=True),
    ("reconstruct", False): Kind("row", lambda model: model.reconstruct, rows=True),
    ("reconstruct", True): Kind("row", lambda model: model.fill_in, rows=True, fill=True),
    ("score", False): Kind("score", _scores),
}


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is made of every part.

    Attributes: folder: the address of the results; verb: one of VERBS; codes, fill, keep, condition, how: as the
        options of the commands; ending: of the results, with its point; empty: not chosen yet.
    """

    folder: str
    verb: str
    codes: bool = False
    fill: bool = False
    keep: tuple[str, ...] = ()
    condition: Mapping[str, str] | None = None
    how: Reading = field(default_factory=Reading)
    ending: str = ""

    def check(self) -> None:
        """Raise OptionError for a verb or options that do not fit."""
        if self.verb not in VERBS:
            raise OptionError(unknown("verb", self.verb, VERBS))
        for name, on, verb in (("codes", self.codes, "encode"), ("fill", self.fill, "reconstruct")):
            if on and self.verb != verb:
                raise OptionError(f"{name} (--{name}) is only for {verb}: leave it out of {self.verb}.")
        if self.condition is not None and self.verb != "decode":
            raise OptionError(f"condition (--condition) is only for decode: leave it out of {self.verb}.")
        if self.ending and self.ending not in sinks.ENDINGS:
            raise OptionError(unknown("format", self.ending[1:], [each[1:] for each in sinks.ENDINGS]))

    @property
    def options(self) -> dict[str, Any]:
        """What tells two jobs of one verb apart, as JSON."""
        form = {name: value for name, value in self.how.form._asdict().items() if name != "missing"}
        pictures = self.how.pictures
        return {
            "format": self.ending,
            "codes": self.codes,
            "fill": self.fill,
            "keep": list(self.keep),
            "condition": None if self.condition is None else dict(sorted(self.condition.items())),
            "reading": form
            | {"size": None if pictures.size is None else list(pictures.size), "fit": pictures.fit}
            | {"grayscale": pictures.grayscale, "color": pictures.color},
        }

    def conversion(self) -> Conversion:
        """Return what is made of the rows of a part."""
        kind = KINDS[self.verb, self.codes or self.fill]
        return Conversion(**kind._asdict(), keep=self.keep, condition=self.condition, how=self.how)


def choose_ending(job: Job, model: Model, parts: Iterable[Found]) -> str:
    """Return the ending of the results: of the job, or of a table where columns have names and kinds, or .npy.

    The first part that can be read decides.

    Raises: OutputError where the format holds no such columns; DataError for columns to keep that do not exist.
    """
    asked, as_columns = job.conversion(), bool(job.keep)
    if model.schema is not None or job.keep:
        for part in parts:
            try:
                with places.copy_of(part.address) as path:
                    known = columns_of(str(path), job.how)
                    as_columns = asked.as_columns(model, str(path))
            except DataError:
                continue  # it is named when its turn comes
            for name in job.keep if known else ():
                if name not in known:
                    raise DataError(f"{part.address}: {unknown('column', name, known)}")
            break
    ending = job.ending or (".parquet" if as_columns else ".npy")
    typed = bool(job.keep) or (asked.rows and model.schema is not None and model.adapter.kind == "table")
    sinks.check(Path(tempfile.gettempdir()) / f"results{os.urandom(4).hex()}{ending}", force=True, table=typed)
    return ending


class Part(NamedTuple):
    """A file of rows, and the name of its result below the folder."""

    output: str
    found: Found


def find(patterns: Iterable[str], results: Collection[str]) -> list[Found]:
    """Return the parts that a user named, each once, by name. Raises DataError, OptionError.

    Args: results: addresses of files that are results of this job, which a pattern may find as well.
    """
    every = dict[str, Found]()
    for pattern in patterns:
        every |= {each.address: each for each in places.find(pattern) if each.address not in results}
    if not every:
        raise DataError("expected parts, one file for each, found only the results of this job.")
    if len({places.scheme(each) for each in every}) > 1:
        raise OptionError("the parts must lie in one file system: run one job for each.")
    return [every[address] for address in sorted(every)]


def common_folder(parts: Iterable[Found]) -> str:
    """Return the folder below which all parts lie, which ends in /."""
    above = [_slashed(each.address).split("/")[:-1] for each in parts]
    shared = takewhile(lambda names: len({*names}) == 1, zip(*above, strict=False))
    return "/".join(names[0] for names in shared) + "/"


def _slashed(address: str) -> str:
    return address.replace(os.sep, "/")


def named(parts: list[Found], below: str, ending: str) -> list[Part]:
    """Return parts with the names of their results: that below a folder, with another ending.

    Two files that differ in their ending alone keep it: a.csv.npy, a.parquet.npy.
    """
    names = [_slashed(each.address).removeprefix(below) for each in parts]
    stems = [re.sub(r"(?i)(\.[^./]+)(\.(gz|bz2|zst|xz))?$", "", name) or name for name in names]
    count = Counter(stems)
    return [
        Part(f"{name if count[stem] > 1 else stem}{ending}", part)
        for name, stem, part in zip(names, stems, parts, strict=True)
    ]


class Outcome(NamedTuple):
    """What became of a part.

    Attributes: output: its name; rows, size, sha256: of the result; seconds: it took; error: why there is none.
    """

    output: str
    rows: int = 0
    size: int = 0
    sha256: str = ""
    seconds: float = 0.0
    error: str = ""


class Worker:
    """A loaded model that takes one part after the other.

    Args: content: of the model file; job: what is made; threads: of the network; 0: as many as there are cores.
    """

    def __init__(self, content: bytes, job: Job, threads: int = 0) -> None:
        if threads:
            import pyarrow as pa

            runtime.threads = threads
            pa.set_cpu_count(threads)
        self._model, self._job, self._asked = modelfile.from_bytes(content), job, job.conversion()
        self._folder, self._threads = places.folder(job.folder), threads

    def about(self) -> dict[str, Any]:
        """Return facts of the process."""
        heavy = [each for each in ("tensorflow", "keras") if each in sys.modules]
        return {"process": os.getpid(), "threads": self._threads, "heavy": heavy}

    def do(self, part: Part) -> Outcome:
        """Make the result of a part. What is wrong with the part is returned, not raised."""
        start = time.monotonic()
        try:
            rows, size, sha256 = self._do(part)
        except DiaboloError as error:
            return Outcome(part.output, seconds=time.monotonic() - start, error=_without_name(error, part))
        except MemoryError:
            return Outcome(part.output, error="it needs more memory than is free: split it, or use fewer workers.")
        except Exception as error:  # one bad part must not end the others
            return Outcome(part.output, error=f"{type(error).__name__}: {error} (a fault of Diabolo, please report it)")
        return Outcome(part.output, rows, size, sha256, time.monotonic() - start)

    def _do(self, part: Part) -> tuple[int, int, str]:
        before = self._seen(part)
        if (before.size, before.mark) != (part.found.size, part.found.mark):
            raise DataError("it changed after this job began: run it again.")
        with places.copy_of(part.found.address) as path, self._folder.target(part.output) as output:
            self._refuse_long_table(path)
            rows = convert(self._model, str(path), output, self._asked, force=True).rows
            with output.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
                size = file.tell()
            if places.look(part.found.address) != before:
                raise DataError("it changed while it was read: run this again.")
        return rows, size, sha256

    def _seen(self, part: Part) -> Found:
        try:
            return places.look(part.found.address)
        except DataError as error:
            if not self._threads:
                raise
            raise DataError(
                f"it cannot be read on {platform.node()}: put it where every machine of the cluster reads it."
            ) from error

    def _refuse_long_table(self, path: Path) -> None:
        if self._model.series is not None and not self._asked.latents and is_table_of_rows(str(path)):
            raise DataError("it is a table, and the model takes windows: cut it with `diabolo windows` first.")


def _without_name(error: DiaboloError, part: Part) -> str:
    """Return the text of an error without the name of the part, which messages name anyway."""
    address = part.found.address
    return str(error).removeprefix(f"{address}: ").removeprefix(f"{address.rpartition('/')[2]}: ")

"""Bulk work: many files through one model, each into a file of its own, in this process or on a Ray cluster.

What exists already is skipped, so that a run that was stopped in any way goes on where it stopped. `manifest.json` in
the folder of the results says what each file is. Order: the call, progress and result, the run, its checks.
"""

import hashlib
import os
import platform
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any, NamedTuple

from diabolo._version import __version__
from diabolo.checks import is_whole
from diabolo.cluster import connection, manifest, parts, places
from diabolo.cluster.manifest import DONE, FAILED, WAITING, Entry, Manifest
from diabolo.cluster.parts import Job, Outcome, Part, Worker
from diabolo.data.tables import Reading
from diabolo.errors import ClusterError, DataError, OptionError, OutputError, listed
from diabolo.missing import names_missing
from diabolo.model import file as modelfile
from diabolo.model.file.reading import read
from diabolo.model.model import Model
from diabolo.typing import PathLike, Say


@names_missing
def bulk(
    model: Any,
    verb: str,
    files: PathLike | Iterable[PathLike],
    folder: PathLike,
    *,
    cluster: str | None = None,
    workers: int | None = None,
    ending: str | None = None,
    keep: Sequence[str] = (),
    condition: Mapping[str, object] | None = None,
    codes: bool = False,
    fill: bool = False,
    reading: Reading | None = None,
    force: bool = False,
    report: "Callable[[Progress], object] | None" = None,
    say: Say | None = None,
) -> "Bulk":
    """Write a file of results for each file of rows, and return what was done.

    A file that is in the folder already is skipped if the manifest there says that it was made of the same file by the
    same model, verb and options. Finished files stay when the run is stopped, and the next run makes the others.

    Args:
        model: a model file, or a fitted estimator or loaded model.
        verb: "encode", "decode", "reconstruct" or "score".
        files: a path, a pattern or a folder, or several; also addresses such as "s3://bucket/parts/*.parquet".
        folder: of the results, a path or an address. A result has the name of its file below the folder that all
            files share.
        cluster: "local", "auto" or HOST:PORT, see `connected`; None: this process.
        workers: at most so many on the cluster, each with a loaded model; None: one for each CPU.
        ending: format of the results: "npy", "parquet", "csv", ...; None: parquet where columns have names and kinds,
            otherwise npy.
        keep: columns to copy to the results, such as an id.
        condition: for decode: values by column, of a model that was fitted with a condition.
        codes: for encode with a quantized model: the numbers of the codes.
        fill: for reconstruct: only missing cells are replaced.
        reading: how files are read.
        force: make results again that do not fit, instead of an error. Those that fit are skipped all the same.
        report: is called after each part.
        say: takes notes, such as a lost worker.

    Raises: OptionError, DataError, OutputError, ModelFileError, ClusterError, MissingExtraError. A file that cannot be
        used does not stop the others; a DataError at the end names it.
    """
    job = Job(
        folder=_text(folder, "folder"),
        verb=verb,
        codes=codes,
        fill=fill,
        keep=tuple(keep),
        condition=None if condition is None else {str(name): str(value) for name, value in condition.items()},
        how=reading or Reading(),
        ending="" if ending is None else f".{ending.removeprefix('.').lower()}",
    )
    result = run(model, job, files, cluster=cluster, workers=workers, force=force, report=report, say=say)
    result.check()
    return result


class Progress(NamedTuple):
    """The progress of a job, after a part.

    Attributes: parts: all; done: finished in this run; skipped: finished before; failed: that cannot be made; rows: of
        the results of this run; seconds: since the work began; part: the file that has just ended; error: why it has
        no result.
    """

    parts: int
    done: int
    skipped: int
    failed: int
    rows: int
    seconds: float
    part: str = ""
    error: str = ""

    @property
    def rows_per_second(self) -> float:
        """Rows of this run per second."""
        return self.rows / self.seconds if self.seconds > 0 else 0.0


class Bulk(NamedTuple):
    """What a job has made.

    Attributes: folder: the results; parts: number of files; done: made by this run; skipped: made before; rows: of all
        results, with those made before; new_rows: of those of this run; seconds: of this run; failed: errors by file.
    """

    folder: str
    parts: int
    done: int
    skipped: int
    rows: int
    new_rows: int
    seconds: float
    failed: dict[str, str]

    @property
    def manifest(self) -> str:
        """The path or address of the manifest."""
        return f"{self.folder.rstrip('/')}/{manifest.NAME}"

    def check(self) -> None:
        """Raise DataError if a part has no result."""
        if self.failed:
            first, error = next(iter(self.failed.items()))
            more = f" and {len(self.failed) - 1} more" if len(self.failed) > 1 else ""
            named = error if error.startswith(first) else f"{first}: {error}"
            raise DataError(
                f"{len(self.failed)} of {self.parts} parts have no result: {named}{more and f' ({more[1:]})'} "
                f"All errors are in {self.manifest}; the other parts are finished. Fix or leave out what is named, "
                f"and run the same again."
            )


def run(
    model: Any,
    job: Job,
    files: PathLike | Iterable[PathLike],
    *,
    cluster: str | None,
    workers: int | None,
    force: bool,
    report: Callable[[Progress], object] | None = None,
    say: Say | None = None,
) -> Bulk:
    """Do what `bulk` does, but return also if parts failed. Arguments as for `bulk`."""
    start, say, report = time.monotonic(), say or (lambda note: None), report or (lambda progress: None)
    job.check()
    if workers is not None and not is_whole(workers, 1):
        raise OptionError(f"workers (--workers) must be a whole number of at least 1, got {workers!r:.40}.")
    if workers is not None and cluster is None:
        raise OptionError("workers (--workers) are processes of a cluster: add cluster='local' (--cluster local).")
    if cluster is not None:
        connection.check_address(cluster)
    job = replace(job, folder=places.plain(job.folder))
    if not places.scheme(job.folder):
        job = replace(job, folder=os.path.abspath(job.folder))
    patterns = [files] if isinstance(files, (str, os.PathLike)) else list(files)
    folder = places.folder(job.folder)
    old = manifest.read(folder)
    results = {folder.address(name) for name in (manifest.NAME, *(() if old is None else old.entries))}
    found = parts.find([_text(each, "files") for each in patterns], results)
    content, loaded = _model(model)
    job = replace(job, ending=parts.choose_ending(job, loaded, found))
    with folder.held():
        known, todo = _plan(job, content, found, folder, force=force)
        wanted = {each.output for each in todo}
        outputs = [each.output for each in parts.named(found, known.below, job.ending)]
        folder.tidy(set(outputs))
        known.write(folder)
        skipped = len(outputs) - len(todo)
        so_far = Progress(len(outputs), 0, skipped, 0, 0, 0.0)
        report(so_far)
        try:
            with closing(_outcomes(content, job, todo, cluster, workers, say)) as outcomes:
                for outcome in outcomes:
                    _enter(known, outcome, folder, on_cluster=cluster is not None)
                    known.write(folder, now=False)
                    so_far = so_far._replace(
                        done=so_far.done + (not outcome.error),
                        failed=so_far.failed + bool(outcome.error),
                        rows=so_far.rows + outcome.rows,
                        seconds=time.monotonic() - start,
                        part=known.entries[outcome.output].input,
                        error=outcome.error,
                    )
                    report(so_far)
        finally:
            known.write(folder)
            folder.tidy(wanted)
    rows = sum(each.rows for each in known.done(outputs))
    failed = {
        known.entries[each].input: known.entries[each].error for each in outputs if known.entries[each].state == FAILED
    }
    seconds = time.monotonic() - start
    return Bulk(job.folder, len(outputs), so_far.done, skipped, rows, so_far.rows, seconds, failed)


def _text(path: object, what: str) -> str:
    if not isinstance(path, (str, os.PathLike)) or not os.fspath(path) or "\0" in str(path):
        raise OptionError(f"{what} must be a path or an address, got {path!r:.60}.")
    return str(path)


def _model(model: Any) -> tuple[bytes, Model]:
    """Return the bytes of a model file, and the model. Raises ModelFileError, OptionError, NotFittedError."""
    if isinstance(model, (str, os.PathLike)):
        with places.copy_of(places.plain(model)) as path:
            return read(path), modelfile.load(path)
    trained = model if isinstance(model, Model) else getattr(model, "model_", None)
    if not isinstance(trained, Model):
        raise OptionError(f"model must be a model file, or a fitted estimator, got {type(model).__name__}.")
    return modelfile.to_bytes(trained), trained


def _outcomes(
    content: bytes, job: Job, todo: list[Part], cluster: str | None, workers: int | None, say: Say
) -> Generator[Outcome]:
    """Yield the outcome of each part: of this process, or of a cluster."""
    if not todo:
        return
    if cluster is None:
        worker = Worker(content, job)
        for part in todo:
            yield worker.do(part)
        return
    from diabolo.cluster import pool

    with connection.connected(cluster):
        say(f"{connection.described(connection.nodes())}, {len(todo)} parts to do")
        with closing(pool.run(content, job, todo, workers=workers, say=say)) as outcomes:
            yield from outcomes


def _enter(known: Manifest, outcome: Outcome, folder: places.Folder, *, on_cluster: bool) -> None:
    """Enter the outcome of a part. Raises ClusterError where a machine wrote a result that is not here."""
    if on_cluster and not outcome.error and not places.arrives(folder, outcome.output, outcome.size):
        raise ClusterError(
            f"{folder.address(outcome.output)} was written by a worker and is not seen here: the folder of the results "
            f"must be on a disk that all machines of the cluster share, or an address such as s3://bucket/folder."
        )
    known.change(
        outcome.output,
        state=FAILED if outcome.error else DONE,
        rows=outcome.rows,
        size=outcome.size,
        sha256=outcome.sha256,
        error=outcome.error,
    )


def _plan(
    job: Job, content: bytes, found: list[places.Found], folder: places.Folder, *, force: bool
) -> tuple[Manifest, list[Part]]:
    """Return the manifest with an entry for each part, and the parts that are to be made.

    Raises: OutputError where the folder holds something else, unless `force` says that it may be replaced.
    """
    this = {"verb": job.verb, "model": hashlib.sha256(content).hexdigest(), "options": job.options}
    old = manifest.read(folder)
    below = parts.common_folder(found)
    if old is not None and all(each.address.replace(os.sep, "/").startswith(old.below) for each in found):
        below = old.below  # so that a part keeps its name when fewer or more are named
    wanted = parts.named(found, below, job.ending)
    _refuse_inputs(wanted, folder)
    known = Manifest(this, below, _versions(), {} if old is None else dict(old.entries))
    if old is not None and old.job != this:
        _refuse_other_job(old, this, {each.output for each in wanted}, folder, force=force)
        known.entries = {}
    elsewhere = {each.input: each.output for each in known.entries.values() if each.state == DONE}
    sizes, todo, unfit = folder.sizes(), list[Part](), list[str]()
    for part in wanted:
        name = elsewhere.get(part.found.address, part.output)
        if name != part.output:
            raise OutputError(
                f"{folder.address(name)} is the result of {part.found.address} already, which would now be "
                f"{part.output}: name the parts as before, or choose another folder."
            )
        entry = known.entries.get(part.output)
        there = sizes.get(part.output)
        if entry is not None and entry.state == DONE and there == entry.size and entry.is_of(part.found):
            continue
        ours = entry is not None and entry.is_of(part.found) and (there is None or entry.state != DONE)
        if there is not None and not ours:
            unfit.append(part.output)
        todo.append(part)
    if unfit and not force:
        raise OutputError(
            f"{folder.address(unfit[0])} exists, and is not what this makes of this part"
            f"{f' (and {len(unfit) - 1} others)' if len(unfit) > 1 else ''}: the part or the result has changed. Pass "
            f"force=True (--force) to make it again, or choose another folder."
        )
    for part in todo:
        found_now = part.found
        known.entries[part.output] = Entry(
            output=part.output,
            input=found_now.address,
            input_size=found_now.size,
            input_mark=found_now.mark,
            state=WAITING,
        )
    return known, todo


def _refuse_inputs(wanted: list[Part], folder: places.Folder) -> None:
    """Raise OutputError where a result would replace a part."""
    inputs = {each.found.address for each in wanted}
    for part in wanted:
        if folder.address(part.output) in inputs:
            raise OutputError(f"{part.found.address} is a part and would be replaced: choose another folder.")


def _refuse_other_job(
    old: Manifest, this: dict[str, Any], outputs: set[str], folder: places.Folder, *, force: bool
) -> None:
    """Raise OutputError for the results of another job, which would be mixed with those of this one."""
    changed = [name for name in this if old.job.get(name) != this[name]]
    if "options" in changed:
        before = old.job.get("options", {})
        changed += [name for name, value in this["options"].items() if before.get(name) != value]
        changed.remove("options")
    what = f"{folder.address(manifest.NAME)} is of another job (another {' and '.join(changed)})"
    if not force:
        raise OutputError(f"{what}: choose another folder, or pass force=True (--force) to make its results again.")
    left = sorted(each.output for each in old.entries.values() if each.state == DONE and each.output not in outputs)
    if left:
        raise OutputError(f"{what}, and {listed(left)} would stay as they are: choose another folder.")


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    return {"diabolo": __version__, "python": platform.python_version()} | {
        name: version(name) for name in ("numpy", "onnxruntime")
    }

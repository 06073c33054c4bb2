"""Which tables there are, and how a command is run on one of them.

Order: the tables, a command, the advice of a refusal, several at once.
"""

import contextlib
import io
import multiprocessing
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

ENDINGS = (".csv", ".tsv", ".data", ".xlsx")


def folder() -> Path:
    """Return the folder of the tables."""
    found = Path(os.environ.get("DIABOLO_DATA", "")) / "tables"
    if not os.environ.get("DIABOLO_DATA") or not found.is_dir():
        raise SystemExit("set DIABOLO_DATA to a folder that holds tables/FOLDER/FILE.")
    return found


def files() -> list[str]:
    """Return FOLDER/FILE of all tables."""
    return sorted(str(path.relative_to(folder())) for path in folder().glob("*/*") if path.suffix in ENDINGS)


class Ran(NamedTuple):
    """What a command left: its exit code, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def message(self) -> str:
        """The last line of the errors."""
        return self.err.strip().splitlines()[-1] if self.err.strip() else ""


def diabolo(*arguments: str) -> Ran:
    """Run a command line as `diabolo` does, in this process, so that TensorFlow is loaded once."""
    import traceback

    from diabolo.cli import main

    out, err, before = io.StringIO(), io.StringIO(), sys.argv
    sys.argv, code = ["diabolo", *arguments], 0
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except Exception:
        code = 70
        err.write(f"\ncrash: {traceback.format_exc(limit=-1)}".replace("\n", " "))
    finally:
        sys.argv = before
    return Ran(code, out.getvalue(), err.getvalue())


def own_process(*arguments: str) -> Ran:
    """Run a command line in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "diabolo", *arguments],
        capture_output=True,
        text=True,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


@contextlib.contextmanager
def beside(file: str) -> Iterator[str]:
    """Enter an empty folder from which the path of a file is FOLDER/FILE, as a user would type it."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as work:
        (Path(work) / Path(file).parts[0]).symlink_to(folder() / Path(file).parts[0])
        os.chdir(work)
        try:
            yield file
        finally:
            os.chdir(before)


# What a refusal may offer if it names options and not the whole command.
OFFERED = "drop|types|no-header|skip|comment|encoding|missing|thousands|dates|separator|decimal|allow-overcomplete"
AFTER = re.compile(r"`|\smakes\s|\.$|\.\s|;\s|,? or\s|\s\(|\)")  # ends a command within a sentence


def advised(message: str) -> list[str]:
    """Return the options that a refusal says to type; none if it names none.

    A whole command (diabolo fit FILE --drop a,b) comes before options (--drop a,b). Change this with the words of the
    messages.
    """
    command = re.search(r"diabolo (?:fit|schema) (.+)", message)
    option = re.search(rf"(--(?:{OFFERED})\b.*)", message)
    found = command or option
    if found is None:
        return []
    for end in (*AFTER.finditer(found[1]), None):
        # The first end that leaves quotes closed: a name may hold any mark.
        with contextlib.suppress(ValueError):
            words = shlex.split(found[1][: end.start() if end else None])
            start = next((at for at, word in enumerate(words) if word.startswith("-")), len(words))
            return words[start:]
    return []


def in_pool(function: Callable[[str], Any], names: Sequence[str], processes: int) -> Iterator[Any]:
    """Yield the results of a function for each file, in their order."""
    if processes == 1:
        yield from map(function, names)
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    pool = ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn"))
    try:
        yield from pool.map(function, names)
    finally:
        pool.shutdown(cancel_futures=True)

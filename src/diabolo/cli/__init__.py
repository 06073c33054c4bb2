"""The command line, `diabolo COMMAND`: fit, search, encode, score, info and others; `diabolo --help` names them.

One file a command: parse, call, show. Results go to stdout, progress and errors to stderr. A DiaboloError is one line
and its exit code; any other exception is a bug and shows its traceback. Commands import what they need when they run,
so that `--help` loads nothing.
"""

import errno
import io
import os
import signal
import sys
from types import FrameType
from typing import Annotated

import typer

from diabolo import __version__
from diabolo.cli import (
    advise,
    decode,
    encode,
    fit,
    info,
    race,
    rates,
    reconstruct,
    schema,
    score,
    search,
    sizes,
    verify,
    windows,
)
from diabolo.errors import INTERRUPTED, TERMINATED, DiaboloError

app = typer.Typer(
    name="diabolo",
    help="Auto-encoders from one command: learn to squeeze rows through a narrow waist, and to bring them back.",
    epilog="Start with: diabolo fit digits",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for module in (
    fit,
    search,
    sizes,
    race,
    advise,
    rates,
    encode,
    decode,
    reconstruct,
    score,
    info,
    verify,
    schema,
    windows,
):
    app.command()(getattr(module, module.__name__.rpartition(".")[2]))


def _show_version(asked: bool) -> None:
    if asked:
        print(f"diabolo {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and end.")
    ] = False,
) -> None:
    pass


class _Terminated(BaseException):
    """SIGTERM arrived."""


def _terminate(number: int, frame: FrameType | None) -> None:
    raise _Terminated


def main() -> None:
    """Run the command line and leave with its exit code."""
    # TensorFlow speaks of its processor flags and missing graphics cards; whoever wants that sets the variable to 0.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    signal.signal(signal.SIGTERM, _terminate)
    # A terminal that cannot show a letter of a file name shows a mark in its place, rather than a traceback.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = app(standalone_mode=False)
        sys.stdout.flush()
    except DiaboloError as error:
        from diabolo.data.tables import as_shown

        code = _say(as_shown(str(error)), error.exit_code)
    except KeyboardInterrupt:
        code = INTERRUPTED
    except _Terminated:
        code = _say("terminated: no unfinished output is left behind.", TERMINATED)
    except BrokenPipeError:
        # Whoever read our output has gone, as `| head` does; the second error at exit would only confuse.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        code = 0
    except OSError as error:
        if error.filename is not None or error.errno not in (errno.ENOSPC, errno.EIO):
            raise
        code = _say(f"standard output could not be written: {error.strerror}.", 2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    except Exception as error:
        # typer's usage errors, whose class is public only under the name of one of its children
        if not isinstance(error, typer.BadParameter.__mro__[1:3]):
            raise
        message = str(getattr(error, "format_message")()).rstrip(".")  # noqa: B009
        code = _say(f"{message}. Try --help.", 2) if message else 2  # without a command, the help was shown already
    if code == INTERRUPTED:
        _say("interrupted: no unfinished output is left behind.", code)
    sys.exit(code if isinstance(code, int) else 0)


def _say(message: str, code: int) -> int:
    print("diabolo:", " ".join(message.split("\n")), file=sys.stderr)
    return code

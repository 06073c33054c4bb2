"""The command line, `diabolo COMMAND`: fit, search, encode, score, info and others; `diabolo --help` names them.

One file a command: parse, call, show. Results go to stdout, progress and errors to stderr. A DiaboloError is one line
and its exit code; any other exception is a bug and shows its traceback. Commands import what they need when they run,
so that `--help` loads nothing.
"""

import errno
import inspect
import signal
import sys
from typing import Annotated

import typer

from diabolo import missing
from diabolo._version import __version__
from diabolo.cli import (
    advise,
    bulk,
    cluster,
    decode,
    encode,
    explore,
    fit,
    info,
    process,
    race,
    rates,
    reconstruct,
    report,
    schema,
    score,
    search,
    sizes,
    verify,
    windows,
)
from diabolo.errors import DiaboloError

app = typer.Typer(
    name="diabolo",
    help="Train and use auto-encoders: compress rows into a few numbers, and reconstruct the rows from them.",
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
    bulk,
    report,
    explore,
    info,
    verify,
    schema,
    windows,
):
    command = getattr(module, module.__name__.rpartition(".")[2])
    # One line a paragraph: in a terminal, typer would break them where the source does.
    paragraphs = inspect.cleandoc(command.__doc__ or "").split("\n\n")
    app.command(help="\n\n".join(each.replace("\n", " ") for each in paragraphs))(command)

app.add_typer(cluster.app)


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


def main(*, own_process: bool = False) -> None:
    """Run the command line and leave with its exit code.

    Args: own_process: whether nothing else runs in this process, so that its streams and environment may be changed.
    """
    process.handle_signals()
    try:
        if own_process:
            process.prepare()
        with missing.named(next(iter(sys.argv[1:]), "diabolo")):
            code = app(standalone_mode=False)
        sys.stdout.flush()
        if code == 128 + signal.SIGINT:  # typer turns a KeyboardInterrupt into this
            code = _say_stopped()
    except DiaboloError as error:
        from diabolo.data.tables import as_shown

        code = _say(as_shown(str(error)), error.exit_code)
    except (KeyboardInterrupt, process.Terminated):
        code = _say_stopped()
    except BrokenPipeError:
        # Whoever read our output has gone, as `| head` does; the second error at exit would only confuse.
        process.discard(1)
        code = 0
    except Exception as error:
        if process.arrived:  # a library made another error of it
            code = _say_stopped()
        elif isinstance(error, OSError) and error.filename is None and error.errno in (errno.ENOSPC, errno.EIO):
            code = _say(f"standard output could not be written: {error.strerror}.", 2)
            process.discard(1)
        # typer's usage errors, whose class is public only under the name of one of its children
        elif isinstance(error, typer.BadParameter.__mro__[1:3]):
            message = str(getattr(error, "format_message")())  # noqa: B009
            message += "" if message.endswith((".", "?")) else "."
            path = getattr(getattr(error, "ctx", None), "command_path", "diabolo")
            # Without a command, the help was shown already.
            code = _say(f"{message} See: {path} --help", 2) if message.strip(".") else 2
        else:
            raise
    if own_process:
        process.ignore_signals()
    sys.exit(code if isinstance(code, int) else 0)


def _say(message: str, code: int) -> int:
    process.say(message)
    return code


def _say_stopped() -> int:
    number = process.arrived[0] if process.arrived else int(signal.SIGINT)
    words = {int(signal.SIGINT): "interrupted", int(signal.SIGTERM): "terminated"}
    return _say(f"{words.get(number, 'hung up')}: no unfinished output is left behind.", 128 + number)

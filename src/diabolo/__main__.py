"""`diabolo`, and the same as `python -m diabolo`."""

import contextlib
import gc
import os
import signal
from types import FrameType


def _leave(number: int, frame: FrameType | None) -> None:
    with contextlib.suppress(OSError):  # standard error may be closed or full
        os.write(2, b"diabolo: interrupted: no unfinished output is left behind.\n")
    os._exit(128 + number)


def main() -> None:
    """Run the command line."""
    # Loading makes many objects and drops few; by default they are searched for garbage dozens of times.
    gc.set_threshold(50_000)
    # Nothing is written while it is loaded, so Ctrl-C can end the process at once, without a traceback of imports.
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave)
    from diabolo import cli

    signal.signal(signal.SIGINT, before)
    cli.main(own_process=True)


if __name__ == "__main__":
    main()

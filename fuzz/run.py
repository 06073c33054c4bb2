"""`python -m fuzz.run SECONDS [TARGET]`: atheris on one target or on each, from the corpus beside this file.

What is found new stays in a temporary folder; an input that crashes a reader is written to the folder it is run from.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import atheris

CORPUS = Path(__file__).parent / "corpus"
LARGEST = 1 << 14  # bytes of an input
SLOWEST = 10  # seconds that one may take
MEMORY = 2_048  # MiB that the process may take: an input that asks for more is a crash

with atheris.instrument_imports(include=["diabolo", "fuzz.targets", "numpy.lib", "json"]):
    from diabolo.errors import unknown
    from fuzz.targets import TARGETS


def main() -> int:
    """Fuzz what was asked for; 1 where a crash was found."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["--one"]:
        atheris.Setup([sys.argv[0], *arguments[2:]], TARGETS[arguments[1]])
        atheris.Fuzz()
    if not arguments or not arguments[0].isdigit() or len(arguments) > 2:
        print("usage: python -m fuzz.run SECONDS [TARGET]")
        return 2
    if arguments[1:] and arguments[1] not in TARGETS:
        print(unknown("target", arguments[1], TARGETS))
        return 2
    crashed = [name for name in arguments[1:] or TARGETS if not _fuzzed(name, arguments[0])]
    print(f"crashed: {', '.join(crashed)}" if crashed else "no crash")
    return bool(crashed)


def _fuzzed(name: str, seconds: str) -> bool:
    # In memory where the system has such a folder: every input is written to a file.
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:
        found = Path(folder) / "found"
        found.mkdir()
        options = [f"-max_total_time={seconds}", f"-max_len={LARGEST}", f"-timeout={SLOWEST}"]
        options += [f"-rss_limit_mb={MEMORY}", f"-artifact_prefix={name}-", "-print_final_stats=1"]
        command = [sys.executable, "-m", "fuzz.run", "--one", name, *options, str(found), str(CORPUS / name)]
        return subprocess.run(command, env=os.environ | {"TMPDIR": folder}, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main())

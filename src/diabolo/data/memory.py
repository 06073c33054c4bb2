"""How much memory rows may take: the limit that a user set, or a quarter of the free memory."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil

from diabolo.errors import OptionError

UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
SIZE = re.compile(r"\s*(\d{1,15}(?:\.\d*)?(?:e\d{1,2})?|\.\d{1,15})\s*([kmgt]?i?)b?\s*", re.IGNORECASE)
COPIES_IN_TRAINING = 3  # of rows in memory at the peak of training: as read, without those held back, as tensors
MIN_DEFAULT_LIMIT = 1 << 28  # of the default limit; if even that is not free, the system reports it
CGROUPS = Path("/sys/fs/cgroup")


def limit(memory: int | str | None) -> int:
    """Return a size in bytes: of "2GB", "500 MiB" or a number of bytes. Raises OptionError for anything else.

    None: a quarter of the free memory, rounded down to a power of two, so that two runs on one machine mostly agree.
    """
    if memory is None:
        return 1 << (max(free() // 4, MIN_DEFAULT_LIMIT).bit_length() - 1)
    if isinstance(memory, (int, np.integer)) and not isinstance(memory, bool) and memory > 0:
        return int(memory)
    found = SIZE.fullmatch(memory) if isinstance(memory, str) else None
    unit = found[2].lower() if found else "?"
    if found is None or unit not in UNITS or not 1 <= float(found[1]) * UNITS[unit] < 1 << 62:
        raise OptionError(f"memory must be a size such as 2GB or 500MB, got {memory!r:.40}.")
    return int(float(found[1]) * UNITS[unit])


def free() -> int:
    """Return the bytes of memory that this process can still take, as far as the system reports them."""
    return max(0, min([int(psutil.virtual_memory().available), *_left_in_cgroups()]))


def _left_in_cgroups(process: Path = Path("/proc/self/cgroup"), root: Path = CGROUPS) -> Iterator[int]:
    """Yield the bytes that are left in each of the Linux control groups (container, job) of this process."""
    try:
        lines = [line.split(":", 2) for line in process.read_text().splitlines()]
    except OSError:
        return
    for _, controllers, path in (line for line in lines if len(line) == 3):
        if controllers == "":
            yield from _left(root, path, "memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            yield from _left(root / "memory", path, *names)


def _left(root: Path, path: str, most: str, used: str, cached: str) -> Iterator[int]:
    folder = root / path.strip("/")
    for group in (folder, *folder.parents):
        try:
            statistics = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
            # Files that the system caches count as used, but are freed when needed.
            taken = int((group / used).read_text()) - int(statistics.get(cached, 0))
            yield int((group / most).read_text()) - taken
        except (OSError, ValueError):  # no such file, or "max": the group has no limit
            pass
        if group == root:
            return


def words(size: int) -> str:
    """Return a number of bytes in words: 1.5 GB."""
    for name, unit in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= unit:
            return f"{size / unit:.3g} {name}"
    return f"{size} bytes"

"""How much memory rows may take: what a user said, or a quarter of what is free."""

import re
from pathlib import Path

import psutil

from diabolo.errors import OptionError

UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
SIZE = re.compile(r"\s*(\d+\.?\d*|\.\d+)\s*([kmgt]?i?)b?\s*", re.IGNORECASE)

# Where Linux tells a container what it may use and uses: cgroups, version 2 and 1.
CGROUPS = (
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")),
    (
        Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
        Path("/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ),
)


def limit(memory: int | str | None) -> int:
    """Return bytes: of "2GB", "500 MiB" or a number of bytes; None: a quarter of what is free."""
    if memory is None:
        return free() // 4
    if isinstance(memory, int) and not isinstance(memory, bool) and memory > 0:
        return memory
    found = SIZE.fullmatch(memory) if isinstance(memory, str) else None
    unit = found[2].lower() if found else "?"
    if found is None or unit not in UNITS or not float(found[1]) * UNITS[unit] >= 1:
        raise OptionError(f"memory must be a size such as 2GB or 500MB, got {memory!r:.40}.")
    return int(float(found[1]) * UNITS[unit])


def free() -> int:
    """Return the bytes that this process could still take, as far as the system tells."""
    least = int(psutil.virtual_memory().available)
    for most, used in CGROUPS:
        try:
            least = min(least, int(most.read_text()) - int(used.read_text()))
        except (OSError, ValueError):  # no such group, or "max": no limit of its own
            continue
    return max(least, 0)


def words(size: int) -> str:
    """Return a number of bytes as people say it: 1.5 GB."""
    for name, unit in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= unit:
            return f"{size / unit:.3g} {name}"
    return f"{size} bytes"

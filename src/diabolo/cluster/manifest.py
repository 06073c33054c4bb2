"""The manifest of bulk work, `manifest.json` in the folder of the results: what each file is, and of which part.

    {"kind": "diabolo bulk", "version": 1,
     "job": {"verb": "encode", "model": SHA-256, "options": {...}}, "versions": {...}, "below": FOLDER, "rows": 1797,
     "parts": [{"output": "a.npy", "input": "/data/a.npy", "input_size": 1, "input_mark": "...", "state": "done",
                "rows": 300, "size": 1, "sha256": "...", "error": ""}, ...]}

A second run reads it, and makes what is missing. It refuses results of another model, verb or option.
Order: an entry, the manifest, reading and writing.
"""

import json
import math
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from diabolo.cluster.places import Folder, Found
from diabolo.errors import OutputError

NAME = "manifest.json"
KIND, VERSION = "diabolo bulk", 1
WAITING, DONE, FAILED = "waiting", "done", "failed"
# The manifest is written after each part. With many parts this takes a share of the time, which is limited: then a run
# that is killed makes the parts of its last moments again.
MANY, SHARE = 200, 0.05


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A part, and what was made of it.

    Attributes: output: its name below the folder; input, input_size, input_mark: as `Found`; state: waiting, done or
        failed; rows, size, sha256: of the output; error: why it failed, in one line.
    """

    output: str
    input: str
    input_size: int
    input_mark: str
    state: str = WAITING
    rows: int = 0
    size: int = 0
    sha256: str = ""
    error: str = ""

    def is_of(self, found: Found) -> bool:
        """Return whether a file is the one that this was made of: a copy of it elsewhere is, a changed one is not."""
        same = self.input_size == found.size and self.input_mark == found.mark
        return same and (bool(found.mark) or self.input == found.address)


@dataclass
class Manifest:
    """What a folder of results holds.

    Attributes: job: what tells one job from another; below: the folder of the inputs, from which their names count;
        versions: of what the job ran on; entries: by the name of the output.
    """

    job: dict[str, Any]
    below: str
    versions: dict[str, str] = field(default_factory=dict)
    entries: dict[str, Entry] = field(default_factory=dict)
    _written: float = -math.inf
    _cost: float = 0.0

    def change(self, output: str, **values: Any) -> None:
        """Change an entry."""
        self.entries[output] = replace(self.entries[output], **values)

    def done(self, outputs: Iterable[str]) -> list[Entry]:
        """Return those of some entries that are done."""
        return [self.entries[each] for each in outputs if self.entries[each].state == DONE]

    def to_json(self) -> dict[str, Any]:
        """Return what the file holds."""
        every = [self.entries[name] for name in sorted(self.entries)]
        return {
            "kind": KIND,
            "version": VERSION,
            "job": self.job,
            "versions": self.versions,
            "below": self.below,
            "rows": sum(each.rows for each in every),
            "parts": [asdict(each) for each in every],
        }

    def write(self, folder: Folder, *, now: bool = True) -> None:
        """Write the manifest. Args: now: also where it was written a moment ago."""
        start = time.monotonic()
        if not now and len(self.entries) > MANY and start - self._written < self._cost / SHARE:
            return
        folder.write(NAME, (json.dumps(self.to_json(), indent=1) + "\n").encode())
        self._written = time.monotonic()
        self._cost = self._written - start


def read(folder: Folder) -> Manifest | None:
    """Return the manifest of a folder; None: it has none. Raises OutputError for a file that is not one."""
    content = folder.read(NAME)
    if content is None:
        return None
    try:
        raw = json.loads(content)
        if raw["kind"] != KIND or raw["version"] != VERSION:
            raise ValueError(f"it is of the kind {raw['kind']!r:.40}, version {raw['version']!r:.20}")
        entries = [Entry(**each) for each in raw["parts"]]
        job = dict(raw["job"])
        return Manifest(job, str(raw["below"]), dict(raw["versions"]), {each.output: each for each in entries})
    except (ValueError, KeyError, TypeError) as error:
        raise OutputError(
            f"{folder.address(NAME)} is not a manifest of this version of Diabolo ({error!s:.80}): choose another "
            f"folder for the results."
        ) from error

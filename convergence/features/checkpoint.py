"""What a long run has found so far, picture by picture: a file that only grows, so that killing the run loses one batch at most.

    checkpoint = Checkpoint(path, plan)             # plan: what decides the results; a file of another plan is thrown away
    checkpoint.records                              # {image: record} of what is there
    checkpoint.append([{"image": 31, "status": "ok", ...}, ...])
    checkpoint.remove()                             # when the table is written

One line of JSON per picture, after a first line with the plan. The last record of a picture counts. A line that a kill cut in two
is dropped, and said. Cost: one write and one fsync per batch.
"""

import json
import os
from pathlib import Path

from convergence.storage.outputs import replacing


class Checkpoint:
    """See the module's docstring.

    Parameters
    ----------
    path : path
    plan : dict
        Whatever decides the records, as JSON can hold it.
    """

    def __init__(self, path, plan):
        self.path, self.records, self._file = Path(path), {}, None
        self._head = json.dumps({"plan": json.loads(json.dumps(plan))}, sort_keys=True)
        self._read()

    def append(self, records):
        """Add records, dicts with the key "image"; they are on the disk when this returns."""
        if self._file is None:
            self._file = open(self.path, "ab", buffering=0)
        self._file.write("".join(f"{json.dumps(record)}\n" for record in records).encode())
        os.fsync(self._file.fileno())
        self.records.update((record["image"], record) for record in records)

    def close(self):
        if self._file is not None:
            self._file.close()
            self._file = None

    def remove(self):
        self.close()
        self.path.unlink(missing_ok=True)

    def _read(self):
        """Take what the file holds, and leave it with whole lines of this plan only."""
        content = self.path.read_bytes() if self.path.exists() else b""
        head, *lines = content.split(b"\n")                    # what follows the last line break is "", or was cut off
        kept, dropped = [], 0
        if lines and _parsed(head) == json.loads(self._head):
            for line in lines:
                record = _parsed(line)
                if isinstance(record, dict) and "image" in record and line is not lines[-1]:
                    self.records[record["image"]] = record
                    kept.append(line)
                else:
                    dropped += bool(line)
            if dropped:
                print(f"{self.path.name}: {dropped} incomplete line{'s' * (dropped > 1)} dropped (the run was killed while "
                      f"writing); {len(self.records)} pictures are kept")
        elif content:
            print(f"{self.path.name}: made with other pictures, another model or other options; begun again")
        if not kept or dropped:
            with replacing(self.path) as temporary:
                temporary.write_bytes(b"\n".join([self._head.encode(), *kept, b""]))


def _parsed(line):
    try:
        return json.loads(line)
    except (json.JSONDecodeError, UnicodeDecodeError):
        return None

"""Label values that are not known beforehand: the first ones keep their names, all later ones share one."""

from __future__ import annotations

import fcntl
import json
import logging
import os
from pathlib import Path
from typing import TextIO

logger = logging.getLogger(__name__)

NONE, OTHER = "none", "other"
_CHARS = 100


class BoundedLabel:
    """At most `limit` names of one kind; what comes later is `other`, and nothing is `none`.

    Workers that share `PROMETHEUS_MULTIPROC_DIR` agree on the names through a file in it, one a parent process:
    otherwise each would keep its own first ones, and a team would be `other` in one worker and not in the next.
    """

    def __init__(self, kind: str, limit: int) -> None:
        self._kind = kind
        self._limit = limit
        self._names: set[str] = set()

    def of(self, value: str | None) -> str:
        """The label for a value. Never raises."""
        if not value:
            return NONE
        name = value[:_CHARS].encode("utf-8", "replace").decode("utf-8")
        if name not in self._names and len(self._names) < self._limit:
            self._claim(name)
        return name if name in self._names else OTHER

    def _claim(self, name: str) -> None:
        shared = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
        if not shared:
            self._names.add(name)
            return
        try:
            with (Path(shared) / f"{self._kind}-{os.getppid()}.labels").open("a+", encoding="utf-8") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                self._names = _read(file)
                if name not in self._names and len(self._names) < self._limit:
                    file.write(f"{json.dumps(name)}\n")
                    self._names.add(name)
        except (OSError, ValueError) as error:
            logger.warning("%s names are not agreed on with other workers: %s", self._kind, error)
            self._names.add(name)


def _read(file: TextIO) -> set[str]:
    file.seek(0)
    return {str(json.loads(line)) for line in file}

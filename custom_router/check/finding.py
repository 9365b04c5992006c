"""One finding of `tier-router check`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """`error`: traffic, money or a secret is at risk. `warning`: it will work, worse. `note`: a fact worth knowing."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class CheckFinding:
    """What is wrong, where, and how to mend it. `line` counts from 1; 0 means the file as a whole."""

    severity: Severity
    file: str
    line: int
    path: str
    message: str
    mend: str = ""

    def __str__(self) -> str:
        mend = f" ({self.mend})" if self.mend else ""
        line = f"{self.file}:{self.line}: {self.severity.value}: {self.path or '(document)'}: {self.message}{mend}"
        return " ".join(line.split())  # one line each, whatever the files hold

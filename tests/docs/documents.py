"""The pages under docs/, taken apart for the tests: fenced blocks, tables, links."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = {path.relative_to(DOCS).as_posix(): path.read_text(encoding="utf-8") for path in sorted(DOCS.rglob("*.md"))}
"""By the path below docs/."""

_FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class Block:
    """One fenced block: its page, the words after the fence, and its text."""

    page: str
    info: str
    text: str


def blocks(info: str) -> list[Block]:
    """Every fenced block marked `info`, on all pages."""
    return [
        Block(page, found[0].strip(), found[1])
        for page, text in PAGES.items()
        for found in _FENCE.findall(text)
        if found[0].strip() == info
    ]


def prose(page: str) -> str:
    """A page without its fenced blocks."""
    return _FENCE.sub("", PAGES[page])


def table(page: str, header: str) -> list[list[str]]:
    """The rows of the page's one table whose header line begins with `header`, as cells."""
    lines = prose(page).splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith(f"| {header} |")]
    assert len(starts) == 1, f"{page} has {len(starts)} tables that begin with {header!r}"
    rows = []
    for line in lines[starts[0] + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))])
    return rows


def codes(text: str) -> list[str]:
    """What stands between backticks."""
    return _CODE.findall(text)


def anchors(page: str) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def shell_lines() -> list[tuple[str, str]]:
    """(page, command line) of every `sh` block, continued lines joined."""
    return [
        (block.page, line)
        for block in blocks("sh")
        for line in block.text.replace("\\\n", " ").splitlines()
        if line.strip()
    ]

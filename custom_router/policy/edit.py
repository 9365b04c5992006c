"""Setting values in a policy file without losing its comments: the text is edited, then read back and compared."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from custom_router.policy.load import Policy

Scalar = str | float | None
NOTE = "# Set by tier-router "
"""How a note begins; an older one above the same line is replaced."""


class CannotEdit(ValueError):
    """The text cannot be changed as asked; it says why."""


def edited(text: str, values: Mapping[str, Scalar], note: str = "") -> str:
    """The policy text with each dotted key set to its value, `note` as a comment above the first.

    A missing key is added to its section, which must exist. Raises `CannotEdit`.
    """
    before = Policy.parse(text).document.model_dump()
    result = text
    for number, (path, value) in enumerate(values.items()):
        result = _set(result, path.split("."), value, note if number == 0 else "")
        _put(before, path.split("."), value)
    after = Policy.parse(result).document.model_dump()
    if after != before:
        raise CannotEdit(f"setting {', '.join(values)} would change something else too; edit the file by hand")
    return result


def edit_file(path: Path, values: Mapping[str, Scalar], note: str = "") -> None:
    """`edited` on a file, swapped in at once, with its permissions. Raises `CannotEdit`, `PolicyError`, `OSError`."""
    real = Path(os.path.realpath(path))
    text = edited(real.read_bytes().decode("utf-8"), values, note)
    beside = real.with_name(f"{real.name}.{os.getpid()}.partial")
    beside.write_bytes(text.encode("utf-8"))
    shutil.copymode(real, beside)
    beside.replace(real)


def _set(text: str, keys: list[str], value: Scalar, note: str) -> str:
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    for depth, key in enumerate(keys):
        if not isinstance(node, yaml.MappingNode):
            raise CannotEdit(f"{'.'.join(keys[:depth])} is no section")
        held = {name.value: (name, inner) for name, inner in node.value}
        if key not in held:
            if depth < len(keys) - 1 or not node.value:
                raise CannotEdit(f"there is no {'.'.join(keys[: depth + 1])}; add the section first")
            return _added(text, node, key, value, note)
        name, inner = held[key]
        if depth == len(keys) - 1:
            if not isinstance(inner, yaml.ScalarNode):
                raise CannotEdit(f"{'.'.join(keys)} holds more than one value")
            start, end = inner.start_mark.index, inner.end_mark.index
            gap = "" if start > 0 and text[start - 1] in " \t\n" else " "
            return _noted(text[:start] + gap + _written(value) + text[end:], name.start_mark.index, note)
        node = inner
    raise CannotEdit("no key given")


def _added(text: str, node: yaml.MappingNode, key: str, value: Scalar, note: str) -> str:
    first = node.value[0][0].start_mark
    if node.flow_style:
        at = first.index
        return _noted(f"{text[:at]}{key}: {_written(value)}, {text[at:]}", at, note)
    at = first.index - first.column
    return _noted(f"{text[:at]}{' ' * first.column}{key}: {_written(value)}\n{text[at:]}", at, note)


def _noted(text: str, at: int, note: str) -> str:
    """The text with a note in a line of its own above position `at`, in place of an older one there."""
    if not note:
        return text
    start = text.rfind("\n", 0, at) + 1
    line = text[start : text.find("\n", start)]
    indent = line[: len(line) - len(line.lstrip())]
    above = text[:start]
    previous = above.rstrip("\n").rpartition("\n")[2]
    if previous.strip().startswith(NOTE):
        above = above[: len(above) - len(previous) - 1]
    return f"{above}{indent}{NOTE}{note}\n{text[start:]}"


def _written(value: Scalar) -> str:
    if value is None:
        return "null"
    return yaml.safe_dump(value, default_flow_style=True, width=10_000).removesuffix("\n").removesuffix("\n...")


def _put(document: dict[str, Any], keys: list[str], value: Scalar) -> None:
    for key in keys[:-1]:
        document = document[key]
    document[keys[-1]] = value

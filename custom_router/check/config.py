"""litellm_config.yaml with the positions of its keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from custom_router.check.finding import CheckFinding, Severity
from custom_router.policy.load import line_of

KeyPath = tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class Config:
    """A parsed LiteLLM configuration. `file` is the name that findings give it."""

    file: str
    data: Mapping[str, Any]
    root: yaml.Node | None

    def section(self, name: str) -> Mapping[str, Any]:
        """A top-level mapping such as `router_settings`; empty when absent or of another shape."""
        value = self.data.get(name)
        return value if isinstance(value, Mapping) else {}

    def model_list(self) -> list[Any]:
        """The entries of `model_list` as they stand; empty when absent or of another shape."""
        entries = self.data.get("model_list")
        return entries if isinstance(entries, list) else []

    def leaves(self) -> Iterator[tuple[KeyPath, Any]]:
        """Every value that is neither a mapping nor a list, with its path."""
        yield from _leaves(self.data, ())

    def finding(self, severity: Severity, path: KeyPath, message: str, mend: str = "") -> CheckFinding:
        """A finding at a key of this file."""
        return CheckFinding(severity, self.file, line_of(self.root, path), dotted(path), message, mend)


def dotted(path: KeyPath) -> str:
    """`("model_list", 0, "model_name")` as `model_list.0.model_name`."""
    return ".".join(map(str, path))


def parse_config(content: bytes, file: str) -> tuple[Config | None, list[CheckFinding]]:
    """Parse as LiteLLM does (anchors allowed); a key given twice, which YAML lets win silently, is an error.

    No config comes back where the file is not a YAML mapping.
    """

    def unusable(message: str, line: int = 0) -> tuple[None, list[CheckFinding]]:
        return None, [CheckFinding(Severity.ERROR, file, line, "", message, "LiteLLM cannot start with this file")]

    try:
        loader = yaml.SafeLoader(content.decode("utf-8-sig"))
        try:
            root = loader.get_single_node()
            data = loader.construct_document(root) if root is not None else {}
        finally:
            loader.dispose()
    except UnicodeDecodeError as error:
        return unusable(f"is not UTF-8 text ({error.reason})")
    except RecursionError:
        return unusable("is nested too deeply")
    # PyYAML's constructors stumble over a tag's nonsense (`!!int ''`) with whatever Python raises.
    except (yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError) as error:
        mark = getattr(error, "problem_mark", None)
        return unusable(f"not valid YAML: {getattr(error, 'problem', None) or error}", mark.line + 1 if mark else 0)
    if not isinstance(data, Mapping):
        return unusable(f"is {type(data).__name__}, not a mapping of settings")
    config = Config(file, data, root)
    repeated = [
        CheckFinding(
            Severity.ERROR, file, line, dotted(path), "the key is given twice and the last one wins", "keep one"
        )
        for path, line in _repeated(root, (), set())
    ]
    return config, repeated


def _leaves(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, str(key)))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _leaves(inner, (*path, index))
    else:
        yield path, value


def _repeated(node: yaml.Node | None, path: KeyPath, walked: set[int]) -> Iterator[tuple[KeyPath, int]]:
    if id(node) in walked:  # an alias: its anchor has been walked
        return
    walked.add(id(node))
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            if name in seen and name != "<<":
                yield (*path, name), key.start_mark.line + 1
            seen.add(name)
            yield from _repeated(value, (*path, name), walked)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _repeated(value, (*path, index), walked)

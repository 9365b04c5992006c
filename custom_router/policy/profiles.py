"""Profiles: starting points for routing_policy.yaml, as a few values each to be put into the shipped file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from custom_router.policy.load import read_yaml

_FILE = Path(__file__).with_name("profiles.yaml")
DEFAULT = "mixed"


@dataclass(frozen=True, slots=True)
class Profile:
    """A named starting point. `changes` maps the path of a key to its value, such as `("mode",)` to `shadow`."""

    name: str
    summary: str
    changes: Mapping[tuple[str, ...], Any]

    def apply(self, policy_text: str) -> str:
        """The policy text with this profile's values in place; comments and layout stay. A first line names it."""
        text = policy_text
        for path, value in self.changes.items():
            text = put(text, path, value)
        return f"# Profile {self.name}: {self.summary}\n{text}"


def load_profiles() -> dict[str, Profile]:
    """The shipped profiles by name, in the order in which they should be listed."""
    raw: dict[str, dict[str, Any]] = yaml.safe_load(_FILE.read_text("utf-8"))
    return {name: Profile(name, p["summary"], dict(_leaves(p["set"]))) for name, p in raw.items()}


def value_at(policy_text: str, path: tuple[str, ...]) -> Any:
    """The value that a policy text gives for a key, None where it gives none."""
    value = read_yaml(policy_text.encode(), "policy")
    for part in path:
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def put(text: str, path: tuple[str, ...], value: Any) -> str:
    """YAML text with the scalar at `path` replaced, or added to the deepest mapping that exists on the way there.

    Only the value's own characters change. Raises `ValueError` where `path` leads through or to something else.
    """
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode):
        raise ValueError("the policy text is not a mapping")
    node: yaml.Node = root
    for depth, part in enumerate(path):
        if isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null":
            return _replace(text, node, " " * (not node.value) + _flow(path[depth:], value))
        if not isinstance(node, yaml.MappingNode):
            raise ValueError(f"{'.'.join(path[:depth])} is not a mapping")
        child = next((v for k, v in node.value if k.value == part), None)
        if child is None:
            return _insert(text, node, path[depth:], value, is_root=depth == 0)
        node = child
    if not isinstance(node, yaml.ScalarNode):
        raise ValueError(f"{'.'.join(path)} is not a single value")
    return _replace(text, node, _scalar(value))


def _leaves(tree: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, (*above, key))
        else:
            yield (*above, key), value


def _replace(text: str, node: yaml.Node, new: str) -> str:
    return text[: node.start_mark.index] + new + text[node.end_mark.index :]


def _insert(text: str, mapping: yaml.MappingNode, rest: tuple[str, ...], value: Any, *, is_root: bool) -> str:
    entry = f"{rest[0]}: {_flow(rest[1:], value)}"
    at = mapping.start_mark.index
    if mapping.flow_style:
        comma = ", " if mapping.value else ""
        return f"{text[: at + 1]}{entry}{comma}{text[at + 1 :]}"
    if is_root:
        return f"{text}{'' if text.endswith(chr(10)) else chr(10)}{entry}\n"
    # A block mapping starts at its first key, whose column is the indentation of all of them.
    return f"{text[:at]}{entry}\n{' ' * mapping.start_mark.column}{text[at:]}"


def _flow(rest: tuple[str, ...], value: Any) -> str:
    return f"{{{rest[0]}: {_flow(rest[1:], value)}}}" if rest else _scalar(value)


def _scalar(value: Any) -> str:
    text: str = yaml.safe_dump(value, default_flow_style=True, width=1_000)
    return text.removesuffix("...\n").strip()

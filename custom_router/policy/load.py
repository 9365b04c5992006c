"""YAML to a checked `Policy`, with errors that say which line, what is wrong and how to mend it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from custom_router.policy.identity import Identity, identity
from custom_router.policy.overrides import Overrides, OverridesDocument, merged
from custom_router.policy.schema import PolicyDocument
from custom_router.tiers import TIERS

MAX_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong with a file: where, at which key, what, and how to mend it."""

    file: str
    line: int
    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.path or '(document)'}: {self.message}"


class PolicyError(ValueError):
    """A policy file that cannot be used. `findings` lists every reason, `overrides` is the file that it names, if it
    came to that."""

    def __init__(self, findings: list[Finding], overrides: Overrides | None = None) -> None:
        super().__init__("\n".join(str(finding) for finding in findings))
        self.findings = findings
        self.overrides = overrides


@dataclass(frozen=True, slots=True)
class Policy:
    """A checked policy document and where it came from. `version` is a hash of its content, the overrides' included,
    `artifacts` the identities of the artifacts that it names, as they were when it was loaded."""

    document: PolicyDocument
    version: str
    source: str
    artifacts: tuple[Identity | None, ...] = ()
    overrides: Overrides | None = None
    content: bytes = b""
    """The file's text as it was read."""

    @classmethod
    def load(cls, path: str | Path) -> Policy:
        """Read and check a policy file. Raises `PolicyError`."""
        raw = _read(Path(path), "`tier-router init` writes a policy to start from")
        policy = cls.parse(raw, source=str(path))
        return replace(policy, artifacts=tuple(map(identity, policy.named_files())))

    @property
    def key(self) -> tuple[object, ...]:
        """What anything made from the policy and its artifacts may be remembered under."""
        return self.version, self.artifacts

    def named_files(self) -> tuple[Path, ...]:
        """The artifacts that the policy names. Replacing one applies like an edit of the policy."""
        document = self.document
        named = (self.beside(document.classifier.artifact), self.beside(document.gate.artifact))
        return tuple(path for path in named if path is not None)

    def beside(self, name: str | None) -> Path | None:
        """A file that the policy names, relative to the policy's own folder."""
        return Path(self.source).parent / name if name else None

    @classmethod
    def safe(cls, source: str) -> Policy:
        """What serves while a file cannot be used at start: no routing, the frontier answers everything."""
        groups = {tier.value: {"model": f"tier-{tier.value}", "threshold": 1.0} for tier in TIERS}
        document = PolicyDocument.model_validate({"mode": "off", "tiers": groups})
        return cls(document, "safe", source)

    @classmethod
    def parse(cls, raw: str | bytes, *, source: str = "policy", read: Callable[[Path], bytes] | None = None) -> Policy:
        """Check policy text, together with the overrides file that it may name, relative to `source`.

        `read` gives that file's text where it is not to be read from the disk. Raises `PolicyError` with one finding
        for each mistake."""
        content = raw.encode("utf-8", "surrogatepass") if isinstance(raw, str) else raw
        mend = "it must be a mapping with at least `tiers:`; `tier-router init` writes a policy to start from"
        node, data = _mapping(content, source, mend)
        overrides: Overrides | None = None
        version = content
        if isinstance(name := data.get("overrides"), str) and name:
            overrides, domains = _read_overrides(Path(source).parent / name, data, source, read)
            data = merged(data, domains)
            # Between two YAML documents: the same lines distributed otherwise are another version.
            version = b"\n---\n".join((content, overrides.content))
        try:
            document = PolicyDocument.model_validate(data)
        except ValidationError as error:
            raise PolicyError(findings_of(error, node, source), overrides) from error
        return cls(document, hashlib.sha256(version).hexdigest()[:12], source, overrides=overrides, content=content)

    def file_of(self, domain: str) -> str:
        """The file that a domain stands in."""
        overrides = self.overrides
        return str(overrides.path) if overrides is not None and domain in overrides.domains else self.source


def _read(path: Path, mend: str) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a path that no file can have
        reason = getattr(error, "strerror", None) or str(error)
        raise PolicyError([Finding(str(path), 0, "", f"cannot be read ({reason}); {mend}")]) from error


def _mapping(content: bytes, source: str, mend: str) -> tuple[yaml.Node | None, dict[str, Any]]:
    if len(content) > MAX_BYTES:
        raise PolicyError([Finding(source, 0, "", f"larger than {MAX_BYTES // 2**20} MiB")])
    node, data = parse_yaml(content, source)
    if not isinstance(data, dict) or not data:
        held = "is empty" if not data else f"holds a {type(data).__name__}"
        line = node.start_mark.line + 1 if node is not None else 0
        raise PolicyError([Finding(source, line, "", f"{held}; {mend}")])
    return node, data


def _read_overrides(
    path: Path, policy: dict[str, Any], source: str, read: Callable[[Path], bytes] | None
) -> tuple[Overrides, dict[str, Any]]:
    """The file that the policy's data names, checked by itself, and its domains' data. Raises `PolicyError`."""
    found = Overrides(path, identity(path) if read is None else None)
    try:
        content = read(path) if read is not None else _read(path, f"{source} names it under `overrides`")
        node, data = _mapping(content, str(path), "it must be a mapping with `domains:`")
        try:
            OverridesDocument.model_validate(data)
        except ValidationError as error:
            raise PolicyError(findings_of(error, node, str(path))) from error
        own, domains = policy.get("domains"), data["domains"]
        twice = [name for name in domains if isinstance(own, dict) and name in own]
        if twice:
            told = f"stands in {source} too; keep one"
            places = [(name, line_of(node, ("domains", name))) for name in twice]
            raise PolicyError([Finding(str(path), line, f"domains.{name}", told) for name, line in places])
    except PolicyError as error:
        raise PolicyError(error.findings, found) from error
    return replace(found, content=content, root=node, domains=frozenset(domains)), domains


class _UniqueKeyLoader(yaml.SafeLoader):
    """SafeLoader that refuses a key given twice, which YAML itself would silently let win, and aliases, whose
    expansion can be made exponential. `on`, `off`, `yes` and `no` are words, as in YAML 1.2 and in editors."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.events.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.constructor.ConstructorError(
                None, None, "aliases (*name) are not supported; write the value out", event.start_mark
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(
                    None, None, "a list or mapping cannot be a key", key_node.start_mark
                )
            key = key_node.value
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is given twice; keep one", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


# Only the letters that `true` and `false` begin with keep the resolver that makes booleans.
_UniqueKeyLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if first in "tTfF" or not tag.endswith(":bool")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_yaml(content: bytes, source: str) -> Any:
    """Parse YAML strictly (no aliases, no repeated keys). Raises `PolicyError`."""
    return parse_yaml(content, source)[1]


def parse_yaml(content: bytes, source: str) -> tuple[yaml.Node | None, Any]:
    """As `read_yaml`, and the node that `line_of` looks in."""
    try:
        loader = _UniqueKeyLoader(content.decode("utf-8-sig"))
        try:
            node = loader.get_single_node()
            return node, loader.construct_document(node) if node is not None else {}
        finally:
            loader.dispose()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise PolicyError([Finding(source, line, "", f"is not UTF-8 text ({error.reason})")]) from error
    except RecursionError as error:
        raise PolicyError([Finding(source, 0, "", "is nested too deeply")]) from error
    except yaml.reader.ReaderError as error:
        line = content.decode("utf-8-sig").count("\n", 0, error.position) + 1
        problem = f"character U+{error.character:04X} is not allowed"
        raise PolicyError([Finding(source, line, "", f"not valid YAML: {problem}")]) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or " ".join(str(error).split())
        line = mark.line + 1 if mark else 0
        raise PolicyError([Finding(source, line, "", f"not valid YAML: {problem}")]) from error
    except Exception as error:
        # PyYAML's constructors raise whatever a tag's nonsense (`!!int ''`, `!!bool maybe`) makes them stumble over.
        message = f"not valid YAML: a tagged value cannot be read ({error!r})"
        raise PolicyError([Finding(source, 0, "", message)]) from error


def findings_of(error: ValidationError, root: yaml.Node | None, source: str) -> list[Finding]:
    """One finding for each mistake that a model found in the data of a YAML file."""
    found = []
    for item in error.errors(include_url=False):
        path = tuple(part for part in item["loc"] if part != "[key]")
        message = item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            message = "unknown key; see the comments in routing_policy.yaml or its schema for the known ones"
        elif item["type"] != "value_error":
            message = f"{message} (given: {_shorten(item['input'])})"
        found.append(Finding(source, line_of(root, path), ".".join(map(str, path)), message))
    return found


def _shorten(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def line_of(node: yaml.Node | None, path: tuple[int | str, ...]) -> int:
    """Line of the deepest node on `path` that exists; a missing key reports its parent's line."""
    line = node.start_mark.line + 1 if node is not None else 0
    for part in path:
        if isinstance(node, yaml.MappingNode):
            match = next(((k, v) for k, v in node.value if k.value == str(part)), None)
            if match is None:
                break
            line = match[0].start_mark.line + 1
            node = match[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            break
    return line

"""YAML or JSON text to a tree of nodes with places. Bounded in size, depth and alias expansion; never runs anything.

Works on the parser's events with a stack of its own, so deep nesting ends in a fault and not in the machine's stack.
"""

import json
import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from batch_deployer.errors import Diagnostic, InputError
from batch_deployer.manifest.bounds import MAX_ALIASED_BYTES, MAX_NODES, TOO_MANY_NODES
from batch_deployer.manifest.json_reader import MAX_DEPTH, read_json
from batch_deployer.manifest.nodes import Node, Scalar, SourceLocation
from batch_deployer.manifest.scalars import resolve, resolve_key, resolve_tagged

MAX_BYTES = 16 * 1024 * 1024
MAX_ALIASED = 1_000_000
"""Nodes that aliases may add up to when written out."""
MAX_FAULTS = 200

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")


def decode(data: bytes, file: str) -> str:
    """Bytes of a text file as text. InputError when it is too large or is not UTF-8."""
    if len(data) > MAX_BYTES:
        raise InputError(
            [Diagnostic(f"the file is larger than {MAX_BYTES // 2**20} MiB; put pairs into a CSV file", file)]
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        raise InputError([Diagnostic("the file is not UTF-8 text; save it as UTF-8", file, line, column)]) from None


def read(text: str, file: str, *, may_be_empty: bool = False) -> Node:
    """The one document in `text`. InputError with every fault found. `may_be_empty`: nothing is an empty mapping."""
    if not text.strip():
        return _nothing(file, may_be_empty=may_be_empty)
    if _is_json(text, file):
        return read_json(text, file)
    found = _FORBIDDEN.search(text)
    if found:
        location = _locate(text, found.start(), file)
        raise InputError(
            [location.diagnostic(f"the control character U+{ord(found[0]):04X} is not allowed in a text file")]
        )
    builder = _Builder(file)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            builder.take(event)
            if len(builder.diagnostics) >= MAX_FAULTS:
                break
    except yaml.MarkedYAMLError as error:
        builder.diagnostics.append(_syntax(error, text, file))
    except (yaml.YAMLError, RecursionError) as error:
        builder.diagnostics.append(Diagnostic(f"this is not YAML: {error}", file))
    if builder.diagnostics:
        raise InputError(builder.diagnostics)
    if builder.root is None or (builder.root.value is None and not builder.root.raw):
        return _nothing(file, may_be_empty=may_be_empty)
    return builder.root


def _nothing(file: str, *, may_be_empty: bool) -> Node:
    if not may_be_empty:
        raise InputError([Diagnostic("the file is empty", file, 1, 1)])
    return Node({}, SourceLocation(file, 1, 1))


def _is_json(text: str, file: str) -> bool:
    """Whether to read by the rules of JSON: by the file's name, or because it is a JSON object throughout."""
    if file.endswith(".json"):
        return True
    if not text.lstrip().startswith("{"):
        return False
    try:
        json.loads(text, parse_int=len, parse_float=len)
    except (ValueError, RecursionError):
        return False
    return True


def _locate(text: str, index: int, file: str) -> SourceLocation:
    return SourceLocation(file, text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index))


def _syntax(error: yaml.MarkedYAMLError, text: str, file: str) -> Diagnostic:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line, mark.column) if mark else (0, 0)
    lines = text.splitlines()
    if line < len(lines) and lines[line][column : column + 1] == "\t":
        return Diagnostic("a tab stands where YAML wants spaces; indent with spaces", file, line + 1, column + 1)
    problem = error.problem or error.context or "it cannot be read"
    return Diagnostic(f"this is not YAML: {problem}", file, line + 1, column + 1)


@dataclass(slots=True)
class _Open:
    """A mapping or list whose end has not come yet."""

    node: Node
    anchor: str | None
    key: str | None = None
    """Key that waits for its value."""
    merges: list[Node] = field(default_factory=list)
    """Values of `<<`."""


class _Builder:
    def __init__(self, file: str) -> None:
        self.file = file
        self.root: Node | None = None
        self.diagnostics: list[Diagnostic] = []
        self._stack: list[_Open] = []
        self._anchors: dict[str, Node] = {}
        self._documents = 0
        self._document = SourceLocation(file, 1, 1)
        self._events = self._aliased = 0
        self._aliased_characters = 0

    def take(self, event: Any) -> None:
        """Fold one event in."""
        location = SourceLocation(self.file, event.start_mark.line + 1, event.start_mark.column + 1)
        self._events += 1
        if self._events > MAX_NODES:
            raise InputError([*self.diagnostics, location.diagnostic(TOO_MANY_NODES)])
        match event:
            case yaml.DocumentStartEvent():
                self._documents += 1
                self._document = location
            case yaml.ScalarEvent() if self._documents > 1 and not event.value and not self._stack:
                pass  # A `---` at the end begins a document that holds nothing.
            case yaml.ScalarEvent():
                self._one_document()
                self._scalar(event, location)
            case yaml.AliasEvent():
                self._alias(event, location)
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                self._one_document()
                self._open(event, location)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self._close()

    def _one_document(self) -> None:
        if self._documents > 1:
            raise InputError([self._document.diagnostic("a second document starts here; keep one document per file")])

    def _open(self, event: Any, location: SourceLocation) -> None:
        if len(self._stack) >= MAX_DEPTH:
            raise InputError([*self.diagnostics, location.diagnostic(f"nested more than {MAX_DEPTH} levels deep")])
        is_map = isinstance(event, yaml.MappingStartEvent)
        if event.tag not in (None, "tag:yaml.org,2002:map" if is_map else "tag:yaml.org,2002:seq"):
            self.diagnostics.append(location.diagnostic(f"the YAML tag `{event.tag}` is not supported; leave it out"))
        if self._wants_key():
            raise InputError([*self.diagnostics, location.diagnostic("a key must be text, not a list or a mapping")])
        self._anchors.pop(event.anchor, None)
        self._stack.append(_Open(Node({} if is_map else [], location), event.anchor))

    def _wants_key(self) -> bool:
        return bool(self._stack) and self._stack[-1].key is None and isinstance(self._stack[-1].node.value, dict)

    def _close(self) -> None:
        closed = self._stack.pop()
        for merged in closed.merges:
            for name, node in merged.mapping.items():
                if name not in closed.node.mapping:
                    closed.node.mapping[name] = node
                    closed.node.keys[name] = merged.keys[name]
        below = [*closed.node.mapping.values(), *closed.node.items]
        closed.node.size = 1 + sum(node.size for node in below)
        closed.node.characters = sum(node.characters for node in below) + sum(map(len, closed.node.keys))
        closed.node.height = 1 + max((node.height for node in below), default=0)
        self._locate(closed.node, closed.anchor)

    def _scalar(self, event: Any, location: SourceLocation) -> None:
        if self._wants_key():
            self._key(event.value, location, plain=event.style in (None, ""))
            return
        plain = event.implicit[0] and event.style in (None, "")
        value: Scalar = event.value
        try:
            if event.tag not in (None, "!"):
                value = resolve_tagged(event.value, event.tag)
            elif plain:
                value = resolve(event.value)
        except ValueError as error:
            self.diagnostics.append(location.diagnostic(str(error)))
        raw = event.value if plain else ""
        self._locate(Node(value, location, raw=raw, characters=len(event.value)), event.anchor)

    def _key(self, name: str, location: SourceLocation, *, plain: bool) -> None:
        open_ = self._stack[-1]
        if plain and name == "<<":
            open_.key = "<<"
            return
        if plain:
            try:
                name = resolve_key(name)
            except ValueError as error:
                self.diagnostics.append(location.diagnostic(str(error)))
        first = open_.node.keys.get(name)
        if first is not None:
            self.diagnostics.append(
                location.diagnostic(f"`{name}` is given twice in this mapping, first on line {first.line}")
            )
        else:
            open_.node.keys[name] = location
        open_.key = name

    def _alias(self, event: Any, location: SourceLocation) -> None:
        node = self._anchors.get(event.anchor)
        if node is None:
            self.diagnostics.append(
                location.diagnostic(f"`*{event.anchor}` stands before its `&{event.anchor}` ends, or has none")
            )
            node = Node(None, location)
        self._aliased += node.size
        self._aliased_characters += node.characters
        too_much = self._aliased > MAX_ALIASED or self._aliased_characters > MAX_ALIASED_BYTES
        if too_much or len(self._stack) + node.height > MAX_DEPTH:
            raise InputError(
                [
                    *self.diagnostics,
                    location.diagnostic("the aliases of this file expand to far too much; write it out"),
                ]
            )
        if self._wants_key():
            self._key(str(node.raw or node.value), location, plain=False)
        else:
            self._locate(node, None)

    def _locate(self, node: Node, anchor: str | None) -> None:
        if anchor:
            self._anchors[anchor] = node
        if not self._stack:
            self.root = node
            return
        open_ = self._stack[-1]
        if isinstance(open_.node.value, list):
            open_.node.value.append(node)
        elif open_.key == "<<" and "<<" not in open_.node.keys:
            self._merge(open_, node)
        elif open_.key is not None and open_.key not in open_.node.mapping:
            open_.node.mapping[open_.key] = node
        open_.key = None

    def _merge(self, open_: _Open, node: Node) -> None:
        sources = node.items or [node]
        for source in sources:
            if isinstance(source.value, dict):
                open_.merges.append(source)
            else:
                self.diagnostics.append(source.location.diagnostic("`<<` merges mappings; this is none"))

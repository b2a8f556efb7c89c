"""JSON text to a tree of nodes with places, by the standard library's own scanner."""

import json
import math
import re
from bisect import bisect_right
from collections.abc import Collection

from batch_deployer.errors import Diagnostic, InputError
from batch_deployer.manifest.bounds import MAX_NODES, TOO_MANY_NODES
from batch_deployer.manifest.nodes import Node, SourceLocation

MAX_DEPTH = 64
MAX_DIGITS = 400
_BLANK = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][-+]?\d+)?")
_SURROGATE = re.compile("[\ud800-\udfff]")
_DECODER = json.JSONDecoder()
_WORDS = {"true": True, "false": False, "null": None}


def read_json(text: str, file: str, line: int = 1) -> Node:
    """The one value in `text`, which begins at a line of the file. InputError with every fault found."""
    try:
        json.loads(text, parse_int=len, parse_float=len, parse_constant=_constant)
    except json.JSONDecodeError as error:
        raise InputError(
            [Diagnostic(f"this is not JSON: {error.msg}", file, error.lineno + line - 1, error.colno)]
        ) from None
    except RecursionError:
        raise InputError([Diagnostic(f"nested more than {MAX_DEPTH} levels deep", file, line, 1)]) from None
    except ValueError as error:
        raise InputError([Diagnostic(f"this is not JSON: {error}", file, line, 1)]) from None
    walker = _Walker(text, file, line)
    root, _ = walker.value(_after_blanks(text, 0), 1)
    if walker.diagnostics:
        raise InputError(walker.diagnostics)
    return root


def _constant(word: str) -> object:
    raise ValueError(f"{word} is not JSON")


def _after_blanks(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    return found.end() if found else at


class _Walker:
    """Walks over text that is known to be JSON."""

    def __init__(self, text: str, file: str, line: int) -> None:
        self.diagnostics: list[Diagnostic] = []
        self._text = text
        self._file = file
        self._first = line
        self._nodes = 0
        self._starts = [0, *(found.end() for found in re.finditer("\n", text))]

    def value(self, at: int, depth: int) -> tuple[Node, int]:
        """The value that begins at an index, and the index after it."""
        location = self._locate(at)
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise InputError([*self.diagnostics, location.diagnostic(TOO_MANY_NODES)])
        if depth > MAX_DEPTH:
            raise InputError([*self.diagnostics, location.diagnostic(f"nested more than {MAX_DEPTH} levels deep")])
        match self._text[at]:
            case "{":
                return self._object(at + 1, location, depth)
            case "[":
                return self._list(at + 1, location, depth)
            case '"':
                found, end = self._string(at)
                return Node(found, location), end
            case _:
                return self._plain(at, location)

    def _plain(self, at: int, location: SourceLocation) -> tuple[Node, int]:
        if found := _NUMBER.match(self._text, at):
            raw = found[0]
            if len(raw) > MAX_DIGITS:
                self.diagnostics.append(
                    location.diagnostic("the number is too long; put quotes around it if it is text")
                )
                return Node(0, location, raw=raw), found.end()
            value = float(raw) if found[1] or found[2] else int(raw)
            if not math.isfinite(value):
                self.diagnostics.append(
                    location.diagnostic(f'`{raw}` is too large a number; write "{raw}" if it is text')
                )
            return Node(value, location, raw=raw), found.end()
        word = next(word for word in _WORDS if self._text.startswith(word, at))
        return Node(_WORDS[word], location, raw=word), at + len(word)

    def _list(self, at: int, location: SourceLocation, depth: int) -> tuple[Node, int]:
        items: list[Node] = []
        at = _after_blanks(self._text, at)
        while self._text[at] != "]":
            item, at = self.value(_after_blanks(self._text, at + (self._text[at] == ",")), depth + 1)
            items.append(item)
            at = _after_blanks(self._text, at)
        return _measured(Node(items, location), items), at + 1

    def _object(self, at: int, location: SourceLocation, depth: int) -> tuple[Node, int]:
        entries: dict[str, Node] = {}
        keys: dict[str, SourceLocation] = {}
        at = _after_blanks(self._text, at)
        while self._text[at] != "}":
            at = _after_blanks(self._text, at + (self._text[at] == ","))
            where = self._locate(at)
            name, at = self._string(at)
            item, at = self.value(_after_blanks(self._text, _after_blanks(self._text, at) + 1), depth + 1)
            if name in entries:
                message = f"`{name}` is given twice in this mapping, first on line {keys[name].line}"
                self.diagnostics.append(where.diagnostic(message))
            else:
                entries[name], keys[name] = item, where
            at = _after_blanks(self._text, at)
        return _measured(Node(entries, location, keys=keys), entries.values()), at + 1

    def _string(self, at: int) -> tuple[str, int]:
        found, end = _DECODER.raw_decode(self._text, at)
        if _SURROGATE.search(found):
            self.diagnostics.append(
                self._locate(at).diagnostic("the text holds half of a surrogate pair; it is no Unicode text")
            )
            found = _SURROGATE.sub("\ufffd", found)
        return found, end

    def _locate(self, at: int) -> SourceLocation:
        line = bisect_right(self._starts, at) - 1
        return SourceLocation(self._file, line + self._first, at - self._starts[line] + 1)


def _measured(node: Node, below: Collection[Node]) -> Node:
    node.size = 1 + sum(each.size for each in below)
    node.height = 1 + max((each.height for each in below), default=0)
    return node

"""Columns of a CSV table: which key each fills, and what its cells mean."""

import json
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from batch_deployer.errors import InputError
from batch_deployer.manifest.json_reader import read_json
from batch_deployer.manifest.scalars import resolve
from batch_deployer.util.suggest import nearest

Step = str | int
_EXACT = 2**53
_STEP = re.compile(r"(?P<index>\[(\d+)\])|(?P<dot>\.)|(?P<name>(?:[^.\[\]\\]|\\.)+)")
_MAX_ITEMS = 1000


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    title: str
    """As the header spells it."""
    path: tuple[Step, ...]
    """Keys and list indices that lead to the value."""
    read: Callable[[str], Any]
    """The value of a cell that is not empty. ValueError (with advice) for one that has none."""


def parse_header(name: str, known: Sequence[str], maps: Sequence[str]) -> Column:
    """The column of a title such as `cluster`, `tags.env`, `values.hosts[0].name` or `values.image.tag:text`.

    `maps` are mappings, whose keys may have columns of their own. ValueError (with advice) for any other title.
    """
    first, dot, rest = name.partition(".")
    if first in maps and dot:
        if first == "tags":
            if not rest:
                raise ValueError(f'the column "{name}" names no tag')
            return Column(name, (first, rest), str)
        bare, colon, kind = rest.rpartition(":")
        if colon and kind in ("text", "json"):
            return Column(name, (first, *_steps(bare, name)), str if kind == "text" else _json_value)
        return Column(name, (first, *_steps(rest, name)), lambda cell: _plain_value(cell, name))
    if name in maps:
        return Column(name, (name,), _json_object)
    if name in known:
        return Column(name, (name,), resolve if name in ("priority", "allow_destructive") else str)
    close = nearest(name, [*known, *maps])
    every = [*known, *(f"{each}.NAME" for each in maps)]
    raise ValueError(
        f'unknown column "{name}"; ' + (f'did you mean "{close}"?' if close else f"known: {', '.join(every)}")
    )


def _steps(text: str, title: str) -> tuple[Step, ...]:
    """The keys and indices of a path, spelt as in Helm's `--set`."""
    steps: list[Step] = []
    at, wants_name = 0, True
    while at < len(text):
        found = _STEP.match(text, at)
        if found is None:
            break
        if found["name"] is not None and wants_name:
            steps.append(re.sub(r"\\(.)", r"\1", found["name"]))
            wants_name = False
        elif found["index"] is not None and not wants_name and int(found[2]) < _MAX_ITEMS:
            steps.append(int(found[2]))
        elif found["dot"] is not None and not wants_name:
            wants_name = True
        else:
            break
        at = found.end()
    if at < len(text) or wants_name:
        raise ValueError(
            f'the column "{title}" is no path; write keys as Helm does: values.image.tag, values.hosts[0].name, '
            r"values.nodeSelector.kubernetes\.io/os"
        )
    return tuple(steps)


def put(row: dict[str, Any], column: Column, value: Any) -> None:
    """Put a cell's value into its row. ValueError where another column has filled the same place."""
    parent: Any = row
    for step, below in zip(column.path, column.path[1:], strict=False):
        empty: Any = [] if isinstance(below, int) else {}
        parent = _child(parent, step, empty, column)
        if not isinstance(parent, type(empty)):
            raise ValueError(f'"{column.title}" and another column fill the same place in different ways')
    last = column.path[-1]
    if _child(parent, last, value, column) != value:
        raise ValueError(f'"{column.title}" is given in another column too, with another value')


def _child(parent: Any, step: Step, empty: Any, column: Column) -> Any:
    """What is at a step, or `empty`, put there."""
    if isinstance(step, str):
        return parent.setdefault(step, empty)
    if step > len(parent):
        raise ValueError(f'"{column.title}" is given, and item [{len(parent)}] before it is not')
    if step == len(parent):
        parent.append(empty)
    return parent[step]


def _plain_value(cell: str, title: str) -> Any:
    """A cell of an untyped column: text, or what JSON has. ValueError for a number that would be sent as another text."""
    advice = f"name the column `{title}:text` to send it as text"
    try:
        value = resolve(cell)
    except ValueError as error:
        raise ValueError(f"{str(error).partition('; ')[0]}; {advice}") from None
    if isinstance(value, int | float) and not isinstance(value, bool):
        sent = json.dumps(value)
        if sent != cell:
            raise ValueError(f"`{cell}` would be sent as the number {sent}; {advice}, or write {sent}")
        if abs(value) > _EXACT:
            raise ValueError(
                f"`{cell}` has more digits than many readers of numbers keep; {advice}, or `{title}:json` for the number"
            )
    return value


def _json_value(cell: str) -> Any:
    try:
        return read_json(cell, "").plain()
    except InputError as error:
        raise ValueError(error.diagnostics[0].message) from None


def _json_object(cell: str) -> Any:
    value = _json_value(cell)
    if not isinstance(value, dict):
        raise ValueError("the cell must hold a JSON object")
    return value


def is_suspicious(cell: str) -> bool:
    """Whether a cell differs from what it looks like: blanks around it, or another Unicode form of the same letters."""
    return cell != cell.strip() or not unicodedata.is_normalized("NFC", cell)

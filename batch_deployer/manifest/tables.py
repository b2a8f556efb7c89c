"""Rows of a CSV or JSON Lines file, one at a time, checked by hand: such files are large.

In CSV a column named `tags.env` or `values.image.tag` fills a mapping, an empty cell means not given, and numbers,
booleans and null in `values.*` columns read as in YAML.
"""

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, TextIO

from batch_deployer.errors import BadInput, Fault
from batch_deployer.manifest.scalars import resolve
from batch_deployer.manifest.suggest import nearest
from batch_deployer.manifest.tree import Place

MAX_LINE = 1024 * 1024
MAX_FAULTS = 100
Row = tuple[Place, dict[str, Any]]


class Broken(Exception):
    """A row that cannot be used; says why and in which cell."""

    def __init__(self, message: str, column: str = "") -> None:
        """`column`: name of the cell's column."""
        super().__init__(message)
        self.column = column


def rows(path: Path, shown: str, known: Sequence[str], maps: Sequence[str], faults: list[Fault]) -> Iterator[Row]:
    """Each good row with its place. `known` columns are plain, `maps` are mappings (dotted columns in CSV).

    ValueError when it is no table; BadInput when it cannot be read on.
    """
    reader = {".csv": _csv, ".jsonl": _json_lines, ".ndjson": _json_lines}.get(path.suffix.lower())
    if reader is None:
        raise ValueError(f'"{shown}" is no table; it must be named .csv or .jsonl')
    budget = len(faults) + MAX_FAULTS
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            for row in reader(stream, shown, known, maps, faults):
                if row is not None:
                    yield row
                if len(faults) >= budget:
                    line = faults[-1].line
                    raise BadInput([*faults, Fault("many rows are wrong; the rest was not read", shown, line, 1)])
    except UnicodeDecodeError:
        raise BadInput([*faults, Fault("the file is not UTF-8 text; save it as UTF-8", shown)]) from None
    except OSError as error:
        raise BadInput([*faults, Fault(f"cannot be read: {error.strerror}", shown)]) from None


def _unknown_column(name: str, known: Sequence[str], maps: Sequence[str]) -> str:
    every = [*known, *(f"{each}.NAME" for each in maps)]
    close = nearest(name, [*known, *maps])
    return f'unknown column "{name}"; ' + (f'did you mean "{close}"?' if close else f"known: {', '.join(every)}")


class _Lines:
    """The lines of a file as `csv` reads them, remembering the last and refusing endless ones."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.last = ""

    def __iter__(self) -> Iterator[str]:
        while line := self._stream.readline(MAX_LINE):
            if len(line) == MAX_LINE:
                raise csv.Error("a line is longer than 1 MiB")
            self.last = line
            yield line


def _csv(
    stream: TextIO, shown: str, known: Sequence[str], maps: Sequence[str], faults: list[Fault]
) -> Iterator[Row | None]:
    lines = _Lines(stream)
    reader = csv.reader(lines, strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        heading = _header_faults(header, shown, known, maps, lines.last)
        if heading:
            raise BadInput([*faults, *heading])
        simple = not any("." in name for name in header) and set(header) <= {
            "cluster",
            "release",
            "id",
            "name",
            "cloud",
        }
        for cells in reader:
            if not cells:
                continue
            place = Place(shown, reader.line_num, 1)
            if len(cells) != len(header):
                faults.append(place.fault(f"the row has {len(cells)} cells, the header {len(header)}"))
                yield None
            elif simple:
                yield place, {name: cell for name, cell in zip(header, cells, strict=True) if cell}
                continue
            else:
                try:
                    yield place, _typed(header, cells)
                except Broken as error:
                    column = cell_column(lines.last, header.index(error.column))
                    faults.append(Place(shown, reader.line_num, column).fault(str(error)))
                    yield None
    except csv.Error as error:
        raise BadInput([*faults, Fault(f"this is not CSV: {error}", shown, reader.line_num, 1)]) from None


def _header_faults(header: list[str], shown: str, known: Sequence[str], maps: Sequence[str], line: str) -> list[Fault]:
    if not any(header):
        return [Fault("the file is empty; its first line must name the columns", shown, 1, 1)]
    found = []
    for index, name in enumerate(header):
        mapped = name.partition(".")[0] in maps and name.partition(".")[2]
        if header.index(name) != index:
            found.append(Fault(f'the column "{name}" is given twice', shown, 1, cell_column(line, index)))
        elif name not in known and name not in maps and not mapped:
            message = _unknown_column(name, known, maps)
            if ";" in name and len(header) == 1:
                message = "the columns must be separated by commas, not by semicolons"
            found.append(Fault(message, shown, 1, cell_column(line, index)))
    return found


def cell_column(line: str, index: int) -> int:
    """The 1-based column at which cell number `index` of a CSV line starts."""
    seen, quoted = 0, False
    for position, character in enumerate(line):
        if seen == index:
            return position + 1
        if character == '"':
            quoted = not quoted
        elif character == "," and not quoted:
            seen += 1
    return max(len(line.rstrip("\r\n")), 1) if seen != index else len(line.rstrip("\r\n")) + 1


def _typed(header: Sequence[str], cells: Sequence[str]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name, cell in zip(header, cells, strict=True):
        if cell:
            first, _, rest = name.partition(".")
            try:
                if rest:
                    value = cell if first == "tags" else resolve(cell)
                    _put(row, name if first != "tags" else (first, rest), value)
                else:
                    row[name] = _CELLS.get(name, str)(cell)
            except ValueError as error:
                raise Broken(str(error), name) from None
    return row


def _put(row: dict[str, Any], name: str | tuple[str, ...], value: Any) -> None:
    *path, last = name.split(".") if isinstance(name, str) else name
    for step in path:
        row = row.setdefault(step, {})
        if not isinstance(row, dict):
            raise ValueError(f"`{step}` is given both as a whole and in parts")
    row[last] = value


def _object(cell: str) -> Any:
    value = parse_json(cell)
    if not isinstance(value, dict):
        raise ValueError("the cell must hold a JSON object")
    return value


_CELLS: Mapping[str, Callable[[str], Any]] = {
    "priority": resolve,
    "allow_destructive": resolve,
    "values": _object,
    "parameters": _object,
    "tags": _object,
}


def parse_json(text: str) -> Any:
    """JSON without duplicate keys, NaN or endless nesting. ValueError (with advice) otherwise."""
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise ValueError(f"this is not JSON: {error.msg} at character {error.pos + 1}") from None
    except RecursionError:
        raise ValueError("nested too deep") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"`{next(name for name in names if names.count(name) > 1)}` is given twice")
    return found


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


def _json_lines(
    stream: TextIO, shown: str, known: Sequence[str], maps: Sequence[str], faults: list[Fault]
) -> Iterator[Row | None]:
    number = 0
    while line := stream.readline(MAX_LINE):
        number += 1
        place = Place(shown, number, 1)
        if len(line) == MAX_LINE:
            raise BadInput([*faults, place.fault("the line is longer than 1 MiB")])
        if not line.strip():
            continue
        try:
            row = _json_row(line, known, maps)
        except ValueError as error:
            faults.append(place.fault(str(error)))
            yield None
        else:
            yield place, row


def _json_row(line: str, known: Sequence[str], maps: Sequence[str]) -> dict[str, Any]:
    row = parse_json(line)
    if not isinstance(row, dict):
        raise ValueError("a line must hold one JSON object")
    strange = next((name for name in row if name not in known and name not in maps), None)
    if strange is not None:
        raise ValueError(_unknown_column(strange, known, maps).replace("column", "key", 1))
    return row

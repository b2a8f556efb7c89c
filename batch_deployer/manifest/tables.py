"""Rows of a CSV or JSON Lines file, one at a time, checked by hand: such files are large."""

import csv
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, TextIO

from batch_deployer.errors import Diagnostic, InputError
from batch_deployer.manifest.bounds import MAX_ROWS, MAX_TABLE_BYTES
from batch_deployer.manifest.columns import Column, is_suspicious, parse_header, put
from batch_deployer.manifest.json_reader import read_json
from batch_deployer.manifest.nodes import SourceLocation
from batch_deployer.util.suggest import nearest

MAX_LINE = 1024 * 1024
MAX_FAULTS = 100
Row = tuple[SourceLocation, dict[str, Any]]


class Findings(Protocol):
    """Where faults and warnings go."""

    diagnostics: list[Diagnostic]
    warnings: list[str]


def rows(path: Path, shown: str, known: Sequence[str], maps: Sequence[str], found: Findings) -> Iterator[Row]:
    """Each good row with its place. `known` columns are plain, `maps` are mappings (dotted columns in CSV).

    ValueError when it is no table; InputError when it cannot be read on.
    """
    reader = {".csv": _csv, ".jsonl": _json_lines, ".ndjson": _json_lines}.get(path.suffix.lower())
    if reader is None:
        raise ValueError(f'"{shown}" is no table; it must be named .csv or .jsonl')
    budget = len(found.diagnostics) + MAX_FAULTS
    try:
        if path.stat().st_size > MAX_TABLE_BYTES:
            raise InputError(
                [*found.diagnostics, Diagnostic(f"a table may be {MAX_TABLE_BYTES // 2**20} MiB long; split it", shown)]
            )
        with path.open(encoding="utf-8-sig", newline="") as stream:
            for number, row in enumerate(reader(stream, shown, known, maps, found)):
                if number == MAX_ROWS:
                    raise InputError(
                        [*found.diagnostics, Diagnostic(f"a table may have {MAX_ROWS:,} rows; split it", shown)]
                    )
                if row is not None:
                    yield row
                if len(found.diagnostics) >= budget:
                    line = found.diagnostics[-1].line
                    raise InputError(
                        [*found.diagnostics, Diagnostic("many rows are wrong; the rest was not read", shown, line, 1)]
                    )
    except UnicodeDecodeError:
        raise InputError(
            [*found.diagnostics, Diagnostic("the file is not UTF-8 text; save it as UTF-8", shown)]
        ) from None
    except OSError as error:
        raise InputError([*found.diagnostics, Diagnostic(f"cannot be read: {error.strerror}", shown)]) from None


class _Lines:
    """The lines of a file as `csv` reads them, remembering the last and refusing endless ones."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._ahead: str | None = None
        self.last = ""
        self.number = 0
        """Of the last line, from 1."""

    def __iter__(self) -> Iterator[str]:
        while line := self._next():
            if len(line) == MAX_LINE:
                raise csv.Error("a line is longer than 1 MiB")
            self.last = line
            self.number += 1
            yield line

    def peek(self) -> str:
        """The next line, which stays the next."""
        self._ahead = self._next()
        return self._ahead

    def skip(self) -> None:
        """Pass the next line over."""
        self._next()
        self.number += 1

    def _next(self) -> str:
        line, self._ahead = self._ahead if self._ahead is not None else self._stream.readline(MAX_LINE), None
        return line


def _csv(
    stream: TextIO, shown: str, known: Sequence[str], maps: Sequence[str], found: Findings
) -> Iterator[Row | None]:
    lines = _Lines(stream)
    # A cell may be as long as a line; the library's own bound is one for the whole process.
    csv.field_size_limit(MAX_LINE)
    delimiter = _delimiter(lines)
    reader = csv.reader(lines, strict=True, delimiter=delimiter)
    try:
        header = [name.strip() for name in next(reader, [])]
        while header and not header[-1]:
            header.pop()  # Spreadsheets write empty columns on the right.
        first_line = lines.number - reader.line_num
        columns, diagnostics = _columns(header, known, maps)
        if diagnostics:
            line = first_line + 1
            raise InputError(
                [
                    *found.diagnostics,
                    *(Diagnostic(why, shown, line, cell_column(lines.last, at, delimiter)) for at, why in diagnostics),
                ]
            )
        filled = _filling_order(columns)
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            location = SourceLocation(shown, first_line + reader.line_num, 1)
            if len(cells) < len(header) or any(cells[len(header) :]):
                found.diagnostics.append(
                    location.diagnostic(f"the row has {len(cells)} cells, the header {len(header)}")
                )
                yield None
            else:
                yield _placed_row(
                    filled, cells, location, lambda index: cell_column(lines.last, index, delimiter), found
                )
    except csv.Error as error:
        line = lines.number
        why = "a cell is longer than 1 MiB" if "field larger" in str(error) else str(error)
        raise InputError([*found.diagnostics, Diagnostic(f"this is not CSV: {why}", shown, line, 1)]) from None


def _delimiter(lines: "_Lines") -> str:
    """A comma; or what a first line `sep=;` names, as Excel writes it; or tabs where the header has no comma."""
    first = lines.peek().strip("\r\n").strip('"')
    if first.lower().startswith("sep=") and len(first) == len("sep=,"):
        lines.skip()
        return first[-1]
    return "\t" if "\t" in first and "," not in first else ","


def _columns(
    header: Sequence[str], known: Sequence[str], maps: Sequence[str]
) -> tuple[list[Column], list[tuple[int, str]]]:
    """The columns; and what is wrong with a header, each with the index of its cell."""
    columns: list[Column] = []
    diagnostics: list[tuple[int, str]] = []
    if not header:
        diagnostics.append((0, "the file is empty; its first line must name the columns"))
    elif len(header) == 1 and ";" in header[0]:
        diagnostics.append((0, "the columns must be separated by commas, not by semicolons"))
    else:
        for index, name in enumerate(header):
            try:
                columns.append(parse_header(name, known, maps))
            except ValueError as error:
                diagnostics.append((index, str(error)))
            if header.index(name) != index:
                diagnostics.append((index, f'the column "{name}" is given twice'))
    return columns, diagnostics


def _filling_order(columns: Sequence[Column]) -> list[tuple[int, Column]]:
    """Each column with its index: whole mappings before their parts, which are merged into them; lists in order."""

    def order(numbered: tuple[int, Column]) -> tuple[bool, list[int]]:
        path = numbered[1].path
        return len(path) > 1, [step for step in path if isinstance(step, int)]

    return sorted(enumerate(columns), key=order)


def _placed_row(
    filled: Sequence[tuple[int, Column]],
    cells: Sequence[str],
    location: SourceLocation,
    column_of: Callable[[int], int],
    found: Findings,
) -> Row | None:
    """One row with its place; None when a cell is wrong. An empty cell means not given."""
    row: dict[str, Any] = {}
    for index, column in filled:
        cell = cells[index]
        if not cell:
            continue
        try:
            put(row, column, column.read(cell))
        except ValueError as error:
            found.diagnostics.append(location._replace(column=column_of(index)).diagnostic(str(error)))
            return None
        if column.path[0] not in ("values", "parameters", "description") and is_suspicious(cell):
            what = f"the cell {cell!r} of {column.title} has blanks around it, or letters in an unusual Unicode form"
            found.warnings.append(str(location._replace(column=column_of(index)).diagnostic(what)))
    return location, row


def cell_column(line: str, index: int, delimiter: str = ",") -> int:
    """The 1-based column at which cell number `index` of a CSV line starts."""
    seen, quoted = 0, False
    for position, character in enumerate(line):
        if seen == index:
            return position + 1
        if character == '"':
            quoted = not quoted
        elif character == delimiter and not quoted:
            seen += 1
    return max(len(line.rstrip("\r\n")), 1) if seen != index else len(line.rstrip("\r\n")) + 1


def _json_lines(
    stream: TextIO, shown: str, known: Sequence[str], maps: Sequence[str], found: Findings
) -> Iterator[Row | None]:
    number = 0
    while line := stream.readline(MAX_LINE):
        number += 1
        location = SourceLocation(shown, number, 1)
        if len(line) == MAX_LINE:
            raise InputError([*found.diagnostics, location.diagnostic("the line is longer than 1 MiB")])
        if not line.strip(" \t\r\n"):
            continue
        try:
            yield location, _json_row(line, location, known, maps)
        except InputError as error:
            found.diagnostics.extend(error.diagnostics)
            yield None


def _json_row(line: str, location: SourceLocation, known: Sequence[str], maps: Sequence[str]) -> dict[str, Any]:
    tree = read_json(line.rstrip("\r\n"), location.file, location.line)
    row = tree.plain()
    if not isinstance(row, dict):
        raise InputError([tree.location.diagnostic("a line must hold one JSON object")])
    for name in row:
        if name not in known and name not in maps:
            close = nearest(name, [*known, *maps])
            advice = f'did you mean "{close}"?' if close else f"known: {', '.join([*known, *maps])}"
            raise InputError([tree.keys[name].diagnostic(f'unknown key "{name}"; {advice}')])
    return row

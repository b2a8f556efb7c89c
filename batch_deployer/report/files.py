"""Reports as files: whole or not at all, and readable by nobody else."""

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from batch_deployer.errors import InputError
from batch_deployer.report.document import Summary
from batch_deployer.report.formats.registry import render
from batch_deployer.report.rows import Rows
from batch_deployer.report.run_history import RunHistory
from batch_deployer.report.summary import summarise
from batch_deployer.util.files import sync as sync_to_disk

FILES: Mapping[str, str] = MappingProxyType(
    {
        "report.json": "json",
        "junit.xml": "junit",
        "report.csv": "csv",
        "report.md": "markdown",
        "report.html": "html",
    }
)
"""Every file of a report folder, and its format."""


_TRIAL_BYTES = 64 * 1024
"""What a small report takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What became of the files that were asked for."""

    files: tuple[Path, ...]
    problems: tuple[str, ...]
    """One line for each file that could not be written: which, why, what to do."""


def write_reports(story: RunHistory, folders: Iterable[Path], summary: Summary | None = None) -> Written:
    """Write all files into each folder. A folder or file that cannot be written never keeps the others from it.

    `summary`: the story's own, where it was made already. Each format is told once: a second folder gets copies.
    """
    summary, rows = summary or summarise(story), Rows(story)
    files: dict[str, Path] = {}
    done: list[Path] = []
    problems: list[str] = []
    for folder in folders:
        try:
            _make(folder)
        except OSError as error:
            problems.append(f"no report in {folder}: {_why(error)}; choose another folder with --report")
            continue
        for name, kind in FILES.items():
            path = folder / name
            try:
                pieces = _again(files[name]) if name in files else render(kind, story, summary, rows)
                write_whole(path, pieces, sync=False)
            except OSError as error:
                problems.append(f"{path} is not written: {_why(error)}")
            else:
                files.setdefault(name, path)
                done.append(path)
    return Written(files=tuple(done), problems=tuple(problems))


def is_written(story: RunHistory, folder: Path) -> bool:
    """Whether every file is in the folder and tells this very story."""
    summary, rows = summarise(story), Rows(story)
    try:
        return all(
            (folder / name).read_bytes() == "".join(render(kind, story, summary, rows)).encode()
            for name, kind in FILES.items()
        )
    except OSError:
        return False


def check_folder(folder: Path) -> None:
    """Make the folder of a report and try to write in it, before a run depends on it. Raises InputError."""
    try:
        try_folder(folder)
    except OSError as error:
        raise InputError(
            f"no report can be written to {folder}: {_why(error)}; choose another with --report"
        ) from error


def try_folder(folder: Path) -> None:
    """Make a folder and try to write in it. Raises OSError that names it."""
    try:
        _make(folder)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(_TRIAL_BYTES))  # a full disk lets files be made
            file.flush()
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(folder)) from error


def write_whole(path: Path, pieces: Iterable[str], *, sync: bool = True) -> None:
    """Write a file of mode 0600 so that a reader, or a crash, never meets half of it. Raises OSError that names the path.

    `sync`: it survives a power loss too. Without, a report does not wait for a slow disk: the journal can write it anew.
    """
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with open(handle, "w", encoding="utf-8", newline="") as file:  # noqa: PTH123 - a handle, not a path
                file.writelines(pieces)
                file.flush()
                if sync:
                    os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
    if sync:
        with suppress(OSError):  # not every system lets folders be synced
            sync_to_disk(path.parent)


def _again(path: Path) -> Iterator[str]:
    """What a file holds, piece by piece."""
    with path.open(encoding="utf-8", newline="") as file:
        while piece := file.read(1 << 20):
            yield piece


def _make(folder: Path) -> None:
    """Missing folders become 0700; one that is there keeps its mode."""
    missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    for parent in reversed(missing):
        parent.mkdir(mode=0o700, exist_ok=True)
    if not folder.is_dir():
        raise NotADirectoryError(20, "it is a file", str(folder))


def _why(error: OSError) -> str:
    return (error.strerror or str(error)).lower()

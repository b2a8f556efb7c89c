"""Which files of openstacksdk's configuration count: those of one folder and one owner, and none of the working folder.

openstacksdk also looks into the working folder, and merges clouds.yaml of one folder with secure.yaml of another. A
manifest is often run from a checkout that others write to, so there such files could send the operator's password away.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from batch_deployer.errors import InputError

_SUFFIXES = (".yaml", ".yml", ".json")


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudFiles:
    """Paths; empty where there is no such file."""

    clouds: str = ""
    secure: str = ""
    vendor: str = ""

    @property
    def found(self) -> tuple[str, ...]:
        """The files that are there."""
        return tuple(each for each in (self.clouds, self.secure, self.vendor) if each)

    @property
    def lists(self) -> dict[str, Any]:
        """The arguments of openstacksdk's OpenStackConfig."""
        named = {"config_files": self.clouds, "secure_files": self.secure, "vendor_files": self.vendor}
        return {argument: [path] if path else [] for argument, path in named.items()}


def find_files(folders: Sequence[str], variables: Mapping[str, str]) -> CloudFiles:
    """Find them: the files that the variables name, else those of the first folder that has any.

    Raises InputError, naming both files, when an entry would be merged from files of different owners.
    """
    named, secure = (variables.get(f"OS_CLIENT_{kind}_FILE", "") for kind in ("CONFIG", "SECURE"))
    places = [Path(named), *_files(folders, "clouds")] if named else _files(folders, "clouds")
    clouds = _first(places)
    # Without clouds.yaml an entry may stand in secure.yaml alone, and a profile in clouds-public.yaml.
    beside = [str(clouds.parent)] if clouds is not None else folders
    chosen = CloudFiles(
        clouds=str(clouds or ""),
        secure=str(_first([Path(secure)] if secure else _files(beside, "secure")) or ""),
        vendor=str(_first(_files(beside, "clouds-public")) or ""),
    )
    _refuse_other_owners(chosen)
    return chosen


def _files(folders: Sequence[str], name: str) -> list[Path]:
    return [Path(folder) / f"{name}{suffix}" for folder in folders for suffix in _SUFFIXES]


def _first(places: list[Path]) -> Path | None:
    """The first file that can be read, as openstacksdk takes it."""
    return next((each for each in places if each.exists() and os.access(each, os.R_OK)), None)


def _refuse_other_owners(chosen: CloudFiles) -> None:
    first, *others = [(path, Path(path).stat().st_uid) for path in chosen.found] or [("", 0)]
    for path, owner in others:
        if owner != first[1]:
            raise InputError(
                f"{first[0]} and {path} belong to different users, so they are not merged; "
                "make one user their owner, or take one of them away"
            )

"""Files that a manifest names. They must lie inside the manifest's folder, also after following links."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from batch_deployer.errors import Diagnostic, InputError
from batch_deployer.manifest.interpolation import BadPlaceholder
from batch_deployer.model.permissions import NO_PERMISSIONS, Permissions


class Folder:
    """The folder of a manifest."""

    def __init__(
        self,
        manifest: Path,
        permissions: Permissions = NO_PERMISSIONS,
        environ: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Take the manifest's own path, as the user typed it. `environ`: may name `CREDENTIALS_DIRECTORY`."""
        self._shown = manifest.parent
        self._root = manifest.resolve().parent
        self._sources: dict[str, Path] = {}
        """Files given by `source`, by path below the folder."""
        self._permissions = permissions
        self._secrets = secret_folders(manifest, environ)

    def shown(self, name: str) -> str:
        """A file's path as the user would type it."""
        return str(self._shown / name)

    def inside(self, name: str) -> Path:
        """The real path of a file in the folder. ValueError (with advice) when it is none."""
        try:
            real = (self._root / name).resolve()
            if not real.is_relative_to(self._root):
                raise ValueError(f'"{name}" lies outside the folder of the manifest; copy it there')
            if not real.exists():
                raise ValueError(f'there is no file "{self.shown(name)}"')
            if not real.is_file():
                raise ValueError(f'"{self.shown(name)}" is not a file')
        except (OSError, RuntimeError) as error:
            raise ValueError(f'"{name}" cannot be used: {_reason(error)}') from None
        return real

    def source(self, name: str) -> Path:
        """As `inside`, for a file whose content becomes part of the plan."""
        real = self.inside(name)
        self._sources[real.relative_to(self._root).as_posix()] = real
        return real

    def digests(self) -> dict[str, str]:
        """SHA-256 of each file that `source` gave, by path below the folder. InputError when one cannot be read."""
        return {name: digest_of(path, self.shown(name)) for name, path in self._sources.items()}

    def trusted(self, name: str) -> Path:
        """The absolute path of a certificate file: anywhere if written absolute, else in the folder. ValueError."""
        path = Path(name) if name.startswith("/") else self.inside(name)
        if not path.is_file():
            raise ValueError(f'there is no file "{name}"')
        return path

    def secret(self, name: str) -> Path:
        """The absolute path of a secret's file: in the folder, or where secrets are mounted."""
        try:
            path = Path(name) if name.startswith("/") else self.inside(name)
            refused = secret_refusal(path, self._permissions, self._secrets)
            if not refused and path.is_file():
                return path
        except (OSError, ValueError, RuntimeError) as error:
            raise BadPlaceholder(f"the secret cannot be read: {_reason(error)}") from None
        raise BadPlaceholder(refused or f"there is no secret file {name}")


def secret_folders(manifest: Path, environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Where the secrets of a manifest may lie, besides the usual places: its folder, and `CREDENTIALS_DIRECTORY`."""
    credentials = environ.get("CREDENTIALS_DIRECTORY", "")
    return (manifest.resolve().parent, *([Path(credentials).resolve()] if credentials.startswith("/") else []))


def secret_refusal(path: Path, permissions: Permissions, folders: tuple[Path, ...]) -> str:
    """Why a secret may not be read from a path; empty when it may. OSError and RuntimeError for links that go nowhere."""
    if permissions.permits_secret(path.resolve(), folders):
        return ""
    return (
        f"secrets are not read from {path}; put the file into the manifest's folder or /run/secrets, "
        "or allow its folder with --allow-secrets"
    )


def _reason(error: BaseException) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)


def read_bytes(path: Path, shown: str, limit: int) -> bytes:
    """At most `limit` + 1 bytes of a file. InputError when it cannot be read."""
    try:
        with path.open("rb") as stream:
            return stream.read(limit + 1)
    except (OSError, ValueError) as error:
        raise InputError([Diagnostic(f"cannot be read: {_reason(error)}", shown)]) from None


def digest_of(path: Path, shown: str) -> str:
    """SHA-256 of a file in hex. InputError when it cannot be read."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except (OSError, ValueError) as error:
        raise InputError([Diagnostic(f"cannot be read: {_reason(error)}", shown)]) from None

"""What every part of loading shares: the folder, the environment, and the list of faults found so far."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from batch_deployer.errors import Diagnostic, InputError
from batch_deployer.manifest.bounds import MAX_EXPANDED_BYTES, MAX_ROWS
from batch_deployer.manifest.folder import Folder, read_bytes
from batch_deployer.manifest.interpolation import Allow, BadPlaceholder, expand
from batch_deployer.manifest.json_reader import MAX_DEPTH
from batch_deployer.manifest.nodes import Node, SourceLocation
from batch_deployer.manifest.tables import rows
from batch_deployer.manifest.yaml_reader import MAX_BYTES, decode, read

_TELLING = 4
"""Characters from which a text is taken for a variable's own wherever it is found."""
IN_VALUES = Allow.ENV | Allow.SECRET | Allow.PLAN


class LoadContext:
    """Collects faults, so that a user sees all of them at once."""

    def __init__(self, folder: Folder, environ: Mapping[str, str]) -> None:
        """`environ`: what `${env:NAME}` may name."""
        self.folder = folder
        self.environ = environ
        self.diagnostics: list[Diagnostic] = []
        self.warnings: list[str] = []
        self._files: dict[str, Mapping[str, Any] | None] = {}
        self._lengths: dict[str, int] = {}
        """Of values files, in characters."""
        self._merged = self._brought = 0
        self._filled: dict[str, str] = {}
        """Texts with variables filled in, and as they were written."""

    def report(self, location: SourceLocation, message: str) -> None:
        """Note a fault."""
        self.diagnostics.append(location.diagnostic(message))

    def table(
        self,
        name: str,
        columns: Sequence[str],
        maps: Sequence[str],
        take: Callable[[dict[str, Any], SourceLocation], None],
        *,
        before: int,
        location: SourceLocation,
    ) -> None:
        """Hand each good row of a table to `take`. `before`: rows of the tables before this one."""
        if before > MAX_ROWS:
            self.report(location, f"the tables before this one have more than {MAX_ROWS:,} rows; it was not read")
            return
        try:
            path = self.folder.source(name)
            for where, row in rows(path, self.folder.shown(name), columns, maps, self):
                take(row, where)
        except InputError as error:
            self.diagnostics[:] = dict.fromkeys([*self.diagnostics, *error.diagnostics])
        except ValueError as error:
            self.report(location, str(error))

    def text(self, text: str, allow: Allow, location: SourceLocation) -> str:
        """A text with its placeholders filled in or checked."""
        try:
            filled = expand(text, self.environ, allow, self.folder.secret)
        except BadPlaceholder as error:
            self.report(location, str(error))
            return text
        self._brought += len(filled)
        if self._brought > MAX_EXPANDED_BYTES:
            raise InputError(
                [
                    location.diagnostic(
                        f"with this the placeholders bring more than {MAX_EXPANDED_BYTES // 2**20} MiB of text"
                    )
                ]
            )
        if filled != text and len(filled) >= _TELLING:
            self._filled[filled] = text
        return filled

    def as_written(self, diagnostics: Sequence[Diagnostic]) -> list[Diagnostic]:
        """Faults that show `${env:NAME}` instead of what the variable holds: it may not be for the reader's eyes."""
        longest = sorted(self._filled, key=len, reverse=True)
        return [replace(diagnostic, message=self._unfilled(diagnostic.message, longest)) for diagnostic in diagnostics]

    def _unfilled(self, message: str, longest: Sequence[str]) -> str:
        for filled in longest:
            message = message.replace(filled, self._filled[filled])
        return message

    def node(self, node: Node, allow: Allow) -> Node:
        """A subtree of one kind with its placeholders filled in or checked."""
        if isinstance(node.value, str):
            text = self.text(node.value, allow, node.location) if "${" in node.value else node.value
            return node if text is node.value else Node(text, node.location)
        if isinstance(node.value, list):
            return Node([self.node(item, allow) for item in node.value], node.location)
        if isinstance(node.value, dict):
            for name in node.value:
                if "${" in name:
                    self.report(node.keys[name], f"the key `{name}` holds a placeholder; only texts may")
            return Node(
                {name: self.node(item, allow) for name, item in node.value.items()}, node.location, keys=node.keys
            )
        return node

    def values(self, values: Any, location: SourceLocation, depth: int = 0) -> Any:
        """Values that came out of a table, with their placeholders filled in or checked."""
        if depth > MAX_DEPTH:
            raise InputError([location.diagnostic(f"nested more than {MAX_DEPTH} levels deep")])
        if isinstance(values, str):
            return self.text(values, IN_VALUES, location) if "${" in values else values
        if isinstance(values, list):
            return [self.values(item, location, depth + 1) for item in values]
        if isinstance(values, dict):
            if any("${" in name for name in values):
                self.report(location, "a key of these values holds a placeholder; only texts may")
            return {name: self.values(item, location, depth + 1) for name, item in values.items()}
        return values

    def values_file(self, name: str, location: SourceLocation) -> Mapping[str, Any]:
        """A file of values, read once."""
        if name not in self._files:
            self._files[name] = self._read_values(name, location)
        self.charge(self._lengths.get(name, 0), location)
        return self._files[name] or {}

    def charge(self, characters: int, location: SourceLocation) -> None:
        """Count what is merged into one more release. InputError when all releases together get too much."""
        self._merged += characters
        if self._merged > MAX_EXPANDED_BYTES:
            limit = f"{MAX_EXPANDED_BYTES // 2**20} MiB"
            raise InputError([location.diagnostic(f"with this the values of all releases are longer than {limit}")])

    def _read_values(self, name: str, location: SourceLocation) -> Mapping[str, Any] | None:
        shown = self.folder.shown(name)
        try:
            text = decode(read_bytes(self.folder.source(name), shown, MAX_BYTES), shown)
            self._lengths[name] = len(text)
            tree = read(text, shown, may_be_empty=True)
        except InputError as error:
            self.diagnostics.extend(error.diagnostics)
            return None
        except ValueError as error:
            self.report(location, str(error))
            return None
        plain = self.node(tree, IN_VALUES).plain()
        if isinstance(plain, dict):
            return plain
        self.report(tree.location, "a values file must be a mapping of keys to values")
        return None

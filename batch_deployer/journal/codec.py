"""Events as JSON rows and back, many at a time."""

from collections.abc import Sequence
from typing import Any

import msgspec

from batch_deployer.errors import JournalError
from batch_deployer.model.events import Event

_encoder = msgspec.json.Encoder()
_one: "msgspec.json.Decoder[Event]" = msgspec.json.Decoder(Event)
_many: "msgspec.json.Decoder[list[Event]]" = msgspec.json.Decoder(list[Event])


def encode(event: Event) -> bytes:
    """One JSON object. Never fails on text, whatever a server sent."""
    try:
        return _encoder.encode(event)
    except UnicodeEncodeError:
        return _encoder.encode(_printable(msgspec.to_builtins(event)))


def join(rows: Sequence[bytes]) -> str:
    """The JSON array that a batch is handed to SQLite as."""
    return "[" + b",".join(rows).decode() + "]"


def decode(rows: Sequence[tuple[int, str]], where: str) -> list[Event]:
    """Events of (seq, JSON) rows. JournalError names the first row that is none."""
    try:
        return _many.decode("[" + ",".join([data for _, data in rows]) + "]")
    except (msgspec.DecodeError, msgspec.ValidationError):
        return [_checked(seq, data, where) for seq, data in rows]


def _checked(seq: int, data: str, where: str) -> Event:
    try:
        return _one.decode(data)
    except msgspec.DecodeError as error:
        raise JournalError(
            f"cannot read event {seq} of {where}: {error}; if a newer batch-deployer wrote it, upgrade, "
            "else the file is damaged: start a new run, which looks at the clouds before it writes"
        ) from error


def _printable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_printable(name): _printable(item) for name, item in value.items()}
    return value

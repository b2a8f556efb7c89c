"""Events as JSON rows and back, many at a time."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from batch_deployer.errors import JournalError
from batch_deployer.model.events import Event
from batch_deployer.util.text import clean

_STEERING = re.compile(r"\\[ubfnrt]|::|##")
"""What may stand for a control character in JSON, or begin a command to a CI system."""
_UNREADABLE = (msgspec.DecodeError, TypeError, UnicodeEncodeError, OverflowError, RecursionError)
_encoder = msgspec.json.Encoder()
_one: "msgspec.json.Decoder[Event]" = msgspec.json.Decoder(Event)
_many: "msgspec.json.Decoder[list[Event]]" = msgspec.json.Decoder(list[Event])


def encode(event: Event) -> bytes:
    """One JSON object. Never fails on text, whatever a server sent."""
    try:
        return _encoder.encode(event)
    except UnicodeEncodeError:
        return _encoder.encode(
            _mapped(msgspec.to_builtins(event), lambda text: text.encode("utf-8", "replace").decode())
        )


def join(rows: Sequence[bytes]) -> str:
    """The JSON array that a batch is handed to SQLite as."""
    return "[" + b",".join(rows).decode() + "]"


def decode(rows: Sequence[tuple[int, str]], where: str) -> list[Event]:
    """Events of (seq, JSON) rows. JournalError names the first row that is none.

    A journal may be a stranger's: texts that would steer a terminal are cleaned here, for all who show them.
    """
    try:
        text = "[" + ",".join([data for _, data in rows]) + "]"
        if _STEERING.search(text) or not text.isprintable():
            text = "[" + ",".join([_cleaned(data) for _, data in rows]) + "]"
        return _many.decode(text)
    except _UNREADABLE:
        return [_checked(seq, str(data), where) for seq, data in rows]


def _checked(seq: int, data: str, where: str) -> Event:
    try:
        return _one.decode(_cleaned(data))
    except _UNREADABLE as error:
        raise JournalError(
            f"cannot read event {seq} of {where}: {error}; if a newer batch-deployer wrote it, upgrade, "
            "else the file is damaged: start a new run, which looks at the clouds before it writes"
        ) from error


def _cleaned(data: str) -> str:
    if data.isprintable() and not _STEERING.search(data):
        return data
    return _encoder.encode(_mapped(msgspec.json.decode(data), lambda text: clean(text, len(text) + 1))).decode()


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_mapped(item, change) for item in value]
    if isinstance(value, dict):
        return {_mapped(name, change): _mapped(item, change) for name, item in value.items()}
    return value

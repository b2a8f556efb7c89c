"""Taking our secrets out of what a cloud answers, before anything keeps or shows it."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from batch_deployer.errors import AuthFailed, CloudUnreachable
from batch_deployer.model.api import Answer, Body, Call, ChartState, ClusterState, ReleaseState
from batch_deployer.model.redact import Redactor
from batch_deployer.ports import Api
from batch_deployer.util.wire_text import MAX_TEXT

_MAX_MESSAGE = 500
"""Characters of a server's text that are kept."""
_MAX_ERROR = 1000
"""Characters of an error: the server's text and what to do."""
_ANSWER_TEXTS = {"message": _MAX_MESSAGE, "code": 64, "other_code": 64, "request_id": 128}
_PROSE = frozenset({"status_description", "reason", "description", "created_at", "updated_at"})
"""Fields on whose words nothing depends that a short secret could be by chance."""
_TIME = re.compile(r"[-0-9T:+.Z ]*")
_TEXTS: Mapping[type, Sequence[str]] = {
    kind: tuple(
        field.name for field in msgspec.structs.fields(kind) if field.type is str and field.name != "values_json"
    )
    for kind in (ReleaseState, ChartState, ClusterState)
}


class RedactingApi:
    """An Api whose answers hold none of our secrets, whatever the server put into its texts.

    Texts are cut to what is shown only once the secrets are out: half a secret would not be found.
    """

    def __init__(self, api: Api, redactor: Redactor) -> None:
        """`redactor` knows all secrets so far."""
        self._api = api
        self._redactor = redactor

    async def call(self, call: Call, on_sent: Callable[[], None] | None = None) -> Answer:
        """One attempt."""
        answer = await self._api.call(call, on_sent)
        body = self._body(answer.body)
        texts = {name: self._text(getattr(answer, name), most) for name, most in _ANSWER_TEXTS.items()}
        if body is answer.body and all(getattr(answer, name) == text for name, text in texts.items()):
            return answer
        return answer.but(body=body, **texts)

    async def renew(self, credential: int) -> None:
        """As the cloud's API does it. Its errors hold the server's words for a refused credential."""
        try:
            await self._api.renew(credential)
        except (AuthFailed, CloudUnreachable) as error:
            raise type(error)(self._text(str(error), _MAX_ERROR)) from None

    async def close(self) -> None:
        """Release connections."""
        await self._api.close()

    def _body(self, body: Body) -> Body:
        if isinstance(body, list):
            return self._list(body)
        if isinstance(body, dict):
            return {self._name(name): self._name(text) for name, text in body.items()}
        return self._one(body) if isinstance(body, ReleaseState | ChartState | ClusterState) else body

    def _list(self, found: list[Any]) -> list[Any]:
        """The same list where nothing in it is to be hidden or cut, as nearly always: told by one search for all."""
        texts = [getattr(one, name) for one in found for name in _texts_of(one)]
        # Times hold a `+`, which alone would make the search a slow one.
        joined = "\n".join(text for text in texts if not _TIME.fullmatch(text))
        if self._redactor.text(joined) == joined and len(max(texts, key=len, default="")) <= _MAX_MESSAGE:
            return found
        return [self._one(one) for one in found]

    def _one(self, state: Any) -> Any:
        """A release, chart or cluster with all texts hidden and cut. Values stay: they are compared, and never shown."""
        changed: dict[str, Any] = {}
        for name in _texts_of(state):
            text = getattr(state, name)
            changed[name] = self._text(text, _MAX_MESSAGE) if name in _PROSE else self._name(text)
        if isinstance(state, ClusterState):
            changed["tags"] = {self._name(key): self._name(text) for key, text in state.tags.items()}
        same = all(getattr(state, name) == text for name, text in changed.items())
        return state if same else msgspec.structs.replace(state, **changed)

    def _name(self, text: str) -> str:
        return _cut(self._redactor.name(text), len(text), _MAX_MESSAGE)

    def _text(self, text: str, most: int) -> str:
        return _cut(self._redactor.text(text), len(text), most) if text else text


def _cut(text: str, received: int, most: int) -> str:
    """At most so many characters. Of a text that was cut when it was received the end goes: it may be half a secret."""
    if received >= MAX_TEXT:
        text = text[: max(0, len(text) - MAX_TEXT // 4)]
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _texts_of(state: ReleaseState | ChartState | ClusterState) -> Sequence[str]:
    """Names of the fields that hold the server's texts."""
    return next(names for kind, names in _TEXTS.items() if isinstance(state, kind))

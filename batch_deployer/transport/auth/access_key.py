"""A credential that signs each request with an access key (AK/SK)."""

import time
from collections.abc import Mapping

from batch_deployer.errors import AuthFailed, InputError
from batch_deployer.ports import Clock
from batch_deployer.transport.auth.signing import Key, Unsigned, sign
from batch_deployer.transport.wire.requests import Request

FORMS = ("access", "legacy")


class AccessKey:
    """Signs with one key, fresh for every attempt: a signature holds the time and ages within 15 minutes."""

    generation = 1

    def __init__(self, key: Key, *, project_id: str, who: str, clock: Clock) -> None:
        """`who`: the cloud, for messages. Raises InputError for a key that cannot sign."""
        if key.form not in FORMS:
            raise InputError(f"{who}: form {key.form!r} of an access key is unknown; write access or legacy")
        if not key.access or not key.secret:
            raise InputError(f"{who}: an access key needs both access_key and secret_key")
        if not project_id:
            raise InputError(f"{who}: an access key needs project_id, as no login tells which project is meant")
        if not (key.access + key.secret + key.token + project_id).isprintable():
            raise InputError(
                f"{who}: the access key holds control characters; check the file or variable it comes from"
            )
        self._key = key
        self._project_id = project_id
        self._who = who
        self._clock = clock

    def headers(self, request: Request, host: str) -> Mapping[str, str]:
        """All headers of the signed request."""
        date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self._clock.wall()))
        unsigned = Unsigned(
            method=request.method,
            host=host,
            path=request.path,
            query=request.query,
            headers={"Content-Type": request.content_type},
            body=request.body,
        )
        return sign(unsigned, self._key, date=date, project_id=self._project_id)

    def due(self) -> bool:
        """Never: a permanent key does not end, and a temporary one cannot be renewed from here."""
        return False

    async def refresh(self) -> None:
        """Nothing to do."""

    async def renew(self, _generation: int, why: str) -> None:
        """Raises AuthFailed."""
        what = "temporary access key" if self._key.token else "access key"
        raise AuthFailed(
            f"{self._who}: the {what} {self._key.access} was refused ({why or 'HTTP 401'}); correct it (or try the other "
            f"form, this was {self._key.form}). Not tried again: more than 5 failures lock the key for 5 minutes"
        )

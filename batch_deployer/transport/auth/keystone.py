"""Logging in by a plugin of keystoneauth: one attempt in a thread.

keystoneauth's exceptions, responses and debug logs may hold the password or the token. None of them leaves this file.
"""

import logging
import math
import re
import ssl
from dataclasses import dataclass, field
from typing import Any

import anyio

from batch_deployer.transport.address import environment_bundle, proxy_for
from batch_deployer.transport.auth.catalogue import endpoints
from batch_deployer.transport.auth.failures import Failures
from batch_deployer.transport.auth.tokens import Refused, Token, Unavailable, sendable

_NOISY = ("keystoneauth", "keystoneauth1", "openstack", "stevedore", "urllib3", "requests")
_TUNNEL_STATUS = re.compile(r"Tunnel connection failed: (\d{3})")


def silence() -> None:
    """Keep the lines of the libraries off stderr: what they report, our own errors report in one line each."""
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeystoneLogin:
    """One way to log in, ready to be tried. Satisfies `tokens.Login`."""

    failures: Failures
    plugin: Any = field(repr=False)
    """A keystoneauth1 identity plugin."""
    seconds: float
    """For all of one login."""
    ca_file: str = ""
    client_certificate: Any = None
    """As requests takes it: a file, or certificate and key."""

    @property
    def place(self) -> str:
        """Cloud and address, for messages."""
        return self.failures.place

    async def __call__(self) -> Token | Refused | Unavailable:
        """Try once. A cancelled run must end at once, so the thread may be left to its own deadline."""
        return await anyio.to_thread.run_sync(self._try, abandon_on_cancel=True)

    def _try(self) -> Token | Refused | Unavailable:
        from batch_deployer.transport.auth.bounded_session import bounded_session  # noqa: PLC0415 - loads requests

        silence()
        with bounded_session(self.seconds, proxy_for(self.failures.auth_url)) as (inner, adapter, deadline):
            try:
                return _token(self.plugin.get_auth_ref(self._session(inner))) or self.failures.no_token()
            except Exception as error:  # noqa: BLE001 - any plugin of clouds.yaml may run here; a traceback would show secrets
                if deadline.passed:
                    return self.failures.silent()
                return self._failure(error, adapter.last)

    def _session(self, inner: Any) -> Any:
        """A keystoneauth session that follows no redirect."""
        from keystoneauth1.session import Session  # noqa: PLC0415 - half a second to load

        system = ssl.get_default_verify_paths()
        return Session(
            session=inner,
            verify=self.ca_file or environment_bundle()[1] or system.cafile or system.capath or True,
            cert=self.client_certificate,
            timeout=self.failures.timeout,
            redirect=False,
            user_agent="batch-deployer",
        )

    def _failure(self, error: Exception, last: tuple[int, bytes, float] | None) -> Refused | Unavailable:
        """What a failure of keystoneauth, requests or a plugin means; `last`: the latest answer."""
        from keystoneauth1 import exceptions  # noqa: PLC0415 - as above

        from batch_deployer.transport.auth.bounded_session import AnswerTooLarge, UnsafeAddress  # noqa: PLC0415

        if isinstance(error, UnsafeAddress):
            return self.failures.other(str(error))
        if isinstance(error, AnswerTooLarge):
            return self.failures.no_token("it is too large")
        if isinstance(error, exceptions.SSLError):
            return self.failures.uncertified(_verify_message(error), self.ca_file or environment_bundle()[1])
        if isinstance(error, exceptions.ConnectTimeout):
            return self.failures.silent()
        if isinstance(error, exceptions.ConnectionError):
            return self._unconnected(error)
        if last is not None and last[0] >= 400:
            return self.failures.answered(*last)
        if last is not None:
            return self.failures.no_token()
        # Of a plugin's own errors only those of keystoneauth name no value.
        return self.failures.other(
            str(error) if isinstance(error, exceptions.ClientException) else type(error).__name__
        )

    def _unconnected(self, error: Exception) -> Refused | Unavailable:
        """No connection, told apart from a proxy that refuses to make one."""
        for cause in _causes(error):
            if found := _TUNNEL_STATUS.search(str(cause)):
                return self.failures.proxy_refused(int(found.group(1)))
        return self.failures.unconnected()


def _token(access: Any) -> Token | None:
    """The AccessInfo of keystoneauth as our value; None when it cannot be a token."""
    value = access.auth_token
    if not isinstance(value, str) or not sendable(value):
        return None
    return Token(
        value=value,
        lifetime=_lifetime(access),
        project_id=_text(access.project_id),
        project=_text(access.project_name),
        user=_text(access.username),
        catalogue=endpoints(access.service_catalog.catalog if access.has_service_catalog() else None),
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _lifetime(access: Any) -> float:
    """Seconds from issue to end, both by the server's clock, so that ours may be wrong. Unknown: it never ends."""
    try:
        return float(max(0.0, (access.expires - access.issued).total_seconds()))
    except (KeyError, TypeError, ValueError):
        return math.inf


def _verify_message(error: BaseException) -> str:
    """Python's own reason for a certificate that is not believed: wrong host name, expired, unknown issuer."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return cause.verify_message
    return ""


def _causes(error: BaseException | None) -> list[BaseException]:
    """The error, and what it came from: chained, or wrapped as an argument or `reason`, as urllib3 and requests do."""
    found: list[BaseException] = []
    waiting = [error]
    while waiting and len(found) < 20:
        each = waiting.pop()
        if each is None or each in found:
            continue
        found.append(each)
        wrapped = [*each.args, getattr(each, "reason", None)]
        waiting += [each.__cause__, each.__context__, *(one for one in wrapped if isinstance(one, BaseException))]
    return found

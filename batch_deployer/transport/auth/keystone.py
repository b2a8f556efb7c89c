"""Logging in by whatever method clouds.yaml or the environment name, through keystoneauth1: one attempt in a thread.

keystoneauth's exceptions, responses and debug logs may hold the password or the token. None of them leaves this file.
"""

import logging
import math
import ssl
from dataclasses import dataclass, field
from typing import Any

import anyio

from batch_deployer.transport.address import proxy_for
from batch_deployer.transport.auth.catalogue import public_endpoints
from batch_deployer.transport.auth.failures import Failures
from batch_deployer.transport.auth.tokens import Refused, Token, Unavailable

_NOISY = ("keystoneauth", "keystoneauth1", "openstack", "stevedore", "urllib3")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeystoneLogin:
    """One way to log in, ready to be tried. Satisfies `tokens.Login`."""

    failures: Failures
    plugin: Any = field(repr=False)
    """A keystoneauth1 identity plugin."""
    ca_file: str = ""

    @property
    def place(self) -> str:
        """Cloud and address, for messages."""
        return self.failures.place

    async def __call__(self) -> Token | Refused | Unavailable:
        """Try once. A cancelled run must end at once, so the thread may be left to its own time-outs."""
        return await anyio.to_thread.run_sync(self._try, abandon_on_cancel=True)

    def _try(self) -> Token | Refused | Unavailable:
        import requests  # noqa: PLC0415 - heavy, and only such a login needs it
        from keystoneauth1.exceptions import ClientException  # noqa: PLC0415 - as above

        for name in _NOISY:
            logging.getLogger(name).setLevel(logging.WARNING)
        try:
            with requests.Session() as inner:
                return _token(self.plugin.get_auth_ref(self._session(inner)))
        except ClientException as error:
            return self._failure(error)
        except Exception as error:  # noqa: BLE001 - any plugin of clouds.yaml may run here; a traceback would show secrets
            return self.failures.other(type(error).__name__)

    def _session(self, inner: Any) -> Any:
        """A keystoneauth session that follows no redirect, reads no .netrc, and uses a proxy only off this machine."""
        from keystoneauth1.session import Session  # noqa: PLC0415 - as above

        inner.trust_env = False
        if proxy := proxy_for(self.failures.auth_url):
            inner.proxies = {"http": proxy, "https": proxy}
        system = ssl.get_default_verify_paths()
        verify = self.ca_file or system.cafile or system.capath or True
        timeout = self.failures.timeout
        return Session(session=inner, verify=verify, timeout=timeout, redirect=False, user_agent="batch-deployer")

    def _failure(self, error: Any) -> Refused | Unavailable:
        from keystoneauth1 import exceptions  # noqa: PLC0415 - as above

        if isinstance(error, exceptions.HttpError):
            content = error.response.content if error.response is not None else b""
            return self.failures.answered(int(error.http_status or 0), content)
        if isinstance(error, exceptions.SSLError):
            return self.failures.uncertified()
        if isinstance(error, exceptions.ConnectTimeout):
            return self.failures.silent()
        if isinstance(error, exceptions.ConnectionError):
            return self.failures.unconnected()
        if isinstance(error, exceptions.InvalidResponse):
            return self.failures.no_token()
        return self.failures.other(str(error))


def _token(access: Any) -> Token:
    """The AccessInfo of keystoneauth as our value."""
    return Token(
        value=access.auth_token,
        lifetime=_lifetime(access),
        project_id=access.project_id or "",
        catalogue=public_endpoints(access.service_catalog.catalog if access.has_service_catalog() else None),
    )


def _lifetime(access: Any) -> float:
    """Seconds from issue to end, both by the server's clock, so that ours may be wrong. Unknown: it never ends."""
    try:
        return float(max(0.0, (access.expires - access.issued).total_seconds()))
    except (KeyError, TypeError, ValueError):
        return math.inf

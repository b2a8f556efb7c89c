"""Logging in at an OpenStack identity service through keystoneauth1: one blocking attempt, every failure a value.

keystoneauth's exceptions, responses and debug logs may hold the password or the token. None of them leaves this file:
a failure is turned into a line of our own, with the secrets struck out of whatever the server echoed.
"""

import logging
import math
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from batch_deployer.model.values import MASK
from batch_deployer.transport.address import proxy_for
from batch_deployer.transport.auth.tokens import Endpoint, Refused, Token, Unavailable
from batch_deployer.transport.wire.errors import read_error
from batch_deployer.transport.wire.text import clean

_NOISY = ("keystoneauth", "keystoneauth1", "openstack", "stevedore", "urllib3")
_TRANSIENT = frozenset({408, 410, 429})
"""Beside every 5xx. 410 is the identity service failing over to another region (IAM.0020)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeystoneLogin:
    """One way to log in, ready to be tried. Satisfies `tokens.Login`."""

    who: str
    """Cloud, for messages: `cloud 'otc-de'`."""
    auth_url: str
    subject: str
    """User or what else logs in, for messages."""
    plugin: Any = field(repr=False)
    """A keystoneauth1 identity plugin."""
    secrets: Sequence[str] = field(default=(), repr=False)
    """Texts to strike out of messages."""
    ca_file: str = ""
    timeout: float = 30.0
    """Seconds for each wait on the network."""

    @property
    def place(self) -> str:
        """Cloud and address, for messages."""
        return f"{self.who}: login at {self.auth_url}"

    def __call__(self) -> Token | Refused | Unavailable:
        """Try once."""
        import requests  # noqa: PLC0415 - heavy, and only a login needs it
        from keystoneauth1.exceptions import ClientException  # noqa: PLC0415 - as above

        for name in _NOISY:
            logging.getLogger(name).setLevel(logging.WARNING)
        try:
            with requests.Session() as inner:
                return _token(self.plugin.get_auth_ref(self._session(inner)))
        except ClientException as error:
            return self._failure(error)
        except Exception as error:  # noqa: BLE001 - any plugin of clouds.yaml may run here; a traceback would show secrets
            return Refused(f"{self.place} failed: {type(error).__name__}; check the auth settings")

    def _session(self, inner: Any) -> Any:
        """A keystoneauth session that follows no redirect, reads no .netrc, and uses a proxy only off this machine."""
        from keystoneauth1.session import Session  # noqa: PLC0415 - as above

        inner.trust_env = False
        if proxy := proxy_for(self.auth_url):
            inner.proxies = {"http": proxy, "https": proxy}
        system = ssl.get_default_verify_paths()
        verify = self.ca_file or system.cafile or system.capath or True
        return Session(session=inner, verify=verify, timeout=self.timeout, redirect=False, user_agent="batch-deployer")

    def _failure(self, error: Any) -> Refused | Unavailable:
        from keystoneauth1 import exceptions  # noqa: PLC0415 - as above

        if isinstance(error, exceptions.HttpError):
            return self._http_failure(error)
        if isinstance(error, exceptions.SSLError):
            return Unavailable(
                f"{self.place}: its TLS certificate cannot be verified; give the issuer as ca_file", again=False
            )
        if isinstance(error, exceptions.ConnectTimeout):
            return Unavailable(f"{self.place}: no answer within {self.timeout:g} s")
        if isinstance(error, exceptions.ConnectionError):
            return Unavailable(f"{self.place}: no connection; check auth_url, the network and the proxy settings")
        if isinstance(error, exceptions.InvalidResponse):
            return Unavailable(f"{self.place}: the answer is no token; check that auth_url is an identity service")
        return Refused(f"{self.place} failed: {self._tidy(str(error))}; check the auth settings")

    def _http_failure(self, error: Any) -> Refused | Unavailable:
        status = int(error.http_status or 0)
        body = read_error(error.response.content) if error.response is not None else None
        said = " ".join(part for part in (body.code, body.message) if part) if body else ""
        cause = f"HTTP {status}" + (f" {self._tidy(said)}" if said else "")
        if status in _TRANSIENT or status >= 500:
            return Unavailable(f"{self.place}: {cause}")
        if status == 404:
            return Refused(f"{self.place}: {cause}; check auth_url (it ends in /v3), project and domain")
        if status in {401, 403, 400}:
            return Refused(
                f"{self.place}: {self.subject} was refused ({cause}); correct user, domain, password and project. "
                "Not tried again, as repeated failures lock the account"
            )
        return Refused(f"{self.place}: {cause}; check auth_url")

    def _tidy(self, text: str) -> str:
        for secret in self.secrets:
            if secret:
                text = text.replace(secret, MASK)
        return clean(text)


def _token(access: Any) -> Token:
    """The AccessInfo of keystoneauth as our value."""
    catalogue = access.service_catalog.catalog if access.has_service_catalog() else []
    return Token(
        value=access.auth_token,
        lifetime=_lifetime(access),
        project_id=access.project_id or "",
        catalogue=tuple(
            Endpoint(
                type=str(service.get("type") or ""),
                region=str(endpoint.get("region_id") or endpoint.get("region") or ""),
                url=str(endpoint.get("url") or ""),
            )
            for service in catalogue
            for endpoint in service.get("endpoints") or ()
            if endpoint.get("interface") == "public"
        ),
    )


def _lifetime(access: Any) -> float:
    """Seconds from issue to end, both by the server's clock, so that ours may be wrong. Unknown: it never ends."""
    try:
        return float(max(0.0, (access.expires - access.issued).total_seconds()))
    except (KeyError, TypeError, ValueError):
        return math.inf

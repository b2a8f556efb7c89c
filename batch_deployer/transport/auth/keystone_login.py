"""Logging in by a plugin of keystoneauth: one attempt, the plugin in a thread and its requests over our own session.

keystoneauth's exceptions, responses and debug logs may hold the password or the token. None of them leaves this file.
"""

import concurrent.futures
import logging
import math
import time
from dataclasses import dataclass, field
from typing import Any

import anyio

from batch_deployer.errors import InputError
from batch_deployer.transport.auth.credentials import LoginRefused, Token, Unavailable, sendable
from batch_deployer.transport.auth.login_errors import Failures
from batch_deployer.transport.auth.service_catalog import endpoints
from batch_deployer.transport.session import FAILURES, Attempt, RawResponse, Session, failure
from batch_deployer.transport.tls import checked, tls_context
from batch_deployer.transport.wire.headers import retry_after
from batch_deployer.transport.wire.requests import Request

MAX_ANSWER_BYTES = 4 * 1024 * 1024
"""A token with the catalogue of a large cloud has some 100 KB."""
_NOISY = ("keystoneauth", "keystoneauth1", "openstack", "stevedore", "urllib3", "requests")


def silence() -> None:
    """Keep the lines of the libraries off stderr: what they report, our own errors report in one line each."""
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


class _Failed(Exception):
    """A request of a login got no usable response."""

    def __init__(self, outcome: LoginRefused | Unavailable) -> None:
        super().__init__(outcome.message)
        self.outcome = outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class KeystoneLogin:
    """One way to log in, ready to be tried. Satisfies `tokens.Login`."""

    failures: Failures
    plugin: Any = field(repr=False)
    """A keystoneauth1 identity plugin."""
    connect: float
    """Seconds for a connection; `failures.timeout` is for each request as a whole."""
    ca_file: str = ""
    client_certificate: Any = None
    """As requests takes it: a file, or certificate and key."""

    @property
    def where(self) -> str:
        """Cloud and address, for messages."""
        return self.failures.where

    async def __call__(self) -> Token | LoginRefused | Unavailable:
        """Try once. A cancellation ends the request under way, and with it the thread."""
        return await anyio.to_thread.run_sync(self._try)

    def _try(self) -> Token | LoginRefused | Unavailable:
        from keystoneauth1 import exceptions  # noqa: PLC0415 - half a second to load
        from keystoneauth1.session import Session as KeystoneSession  # noqa: PLC0415 - as above

        from batch_deployer.transport.auth.requests_adapter import LoopAdapter, session_over  # noqa: PLC0415 - as above

        silence()
        adapter = LoopAdapter(self._exchange)
        try:
            with session_over(adapter) as inner:
                session = KeystoneSession(session=inner, redirect=False, user_agent="batch-deployer")
                return _token(self.plugin.get_auth_ref(session)) or self.failures.no_token()
        except InputError:
            raise
        except _Failed as failed:
            return failed.outcome
        except concurrent.futures.CancelledError:
            return self.failures.silent()
        except Exception as error:  # noqa: BLE001 - any plugin of clouds.yaml may run here; a traceback would show secrets
            last = adapter.last
            if last is not None and last.status >= 400:
                wait = retry_after(last.headers.get("retry-after"), time.time()) or 0.0
                return self.failures.answered(last.status, last.body, wait)
            if last is not None:
                return self.failures.no_token()
            # Of a plugin's own errors only those of keystoneauth name no value.
            known = isinstance(error, exceptions.ClientException)
            return self.failures.other(str(error) if known else type(error).__name__)

    async def _exchange(self, request: Any) -> RawResponse:
        """Send one request of keystoneauth. Raises _Failed, and InputError for a proxy that cannot be used."""
        address, _, query = request.url.partition("?")
        try:
            url = checked(address, "the address")
        except InputError as error:
            raise _Failed(self.failures.other(str(error))) from None
        tls = tls_context(self.ca_file, self.client_certificate) if url.startswith("https:") else None
        session = Session(url, connections=1, max_body=MAX_ANSWER_BYTES, tls=tls)
        headers = {name: text for name, text in request.headers.items() if name not in ("Connection", "Content-Length")}
        body = request.body.encode() if isinstance(request.body, str) else request.body or b""
        target = session.base_path + (f"?{query}" if query else "")
        timeout, attempt = self.failures.timeout, Attempt()
        try:
            response = await session.send(
                Request(request.method, target, body=body),
                headers,
                total=timeout,
                connect=self.connect,
                attempt=attempt,
            )
        except TimeoutError:
            raise _Failed(self.failures.silent()) from None
        except FAILURES as error:
            raise _Failed(self.failures.unanswered(failure(error, attempt), self.ca_file)) from None
        finally:
            await session.close()
        if response.error and response.status < 400:
            raise _Failed(self.failures.no_token(response.error))
        return response


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

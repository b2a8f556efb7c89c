"""Logins with a user's password, straight or on behalf of another account through an agency.

Two requests at most, so they go over our own connections: the libraries that could do it cost each start more than all else
that it loads (keystoneauth1 with requests: 0.13 s of a core and 10 MB).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from batch_deployer.settings import WireSettings
from batch_deployer.transport.address import tls_context
from batch_deployer.transport.auth.catalogue import public_endpoints
from batch_deployer.transport.auth.failures import Failures
from batch_deployer.transport.auth.tokens import Refused, Token, Unavailable, sendable
from batch_deployer.transport.channel import NoHttp, Reply
from batch_deployer.transport.exchange import FAILURES, UNVERIFIED, Exchange
from batch_deployer.transport.sending import Attempt, whole
from batch_deployer.transport.wire.loose import document, text
from batch_deployer.transport.wire.requests import JSON, Request

_Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordLogin:
    """A login of one step or, through an agency, of two. Satisfies `tokens.Login`."""

    failures: Failures
    steps: Sequence[_Body] = field(repr=False)
    """Bodies to send, one after the other, each with the token that the one before brought."""
    wire: WireSettings
    ca_file: str = ""

    @property
    def place(self) -> str:
        """Cloud and address, for messages."""
        return self.failures.place

    async def __call__(self) -> Token | Refused | Unavailable:
        """Try once."""
        url = self.failures.auth_url
        tls = tls_context(self.ca_file) if self.ca_file else None
        exchange = Exchange(url, connections=1, most=self.wire.max_body, tls=tls)
        try:
            result: Token | Refused | Unavailable = self.failures.no_token()
            value = ""
            for body in self.steps:
                result = await self._step(exchange, body, value)
                if not isinstance(result, Token):
                    return result
                value = result.value
            return result
        finally:
            await exchange.close()

    async def _step(self, exchange: Exchange, body: _Body, token: str) -> Token | Refused | Unavailable:
        try:
            request = Request(method="POST", path="/auth/tokens", body=msgspec.json.encode({"auth": body}))
        except UnicodeEncodeError:
            return self.failures.other("user, password or project holds text that is no valid Unicode")
        lines = exchange.header_lines(JSON, {"X-Auth-Token": token} if token else {})
        try:
            # As a write: what may have arrived is not sent twice, since repeated failures lock an account.
            reply = await exchange.perform(
                whole(request, exchange.base, lines),
                total=self.failures.timeout,
                connect=self.wire.connect,
                attempt=Attempt(write=True, fence=None),
            )
        except FAILURES as error:
            return self._failure(error)
        if reply.status >= 400:
            return self.failures.answered(reply.status, reply.body)
        return read_token(reply, self.wire.max_depth) or self.failures.no_token()

    def _failure(self, error: Exception) -> Unavailable:
        if isinstance(error, UNVERIFIED):
            return self.failures.uncertified()
        if isinstance(error, TimeoutError):
            return self.failures.silent()
        return self.failures.no_token() if isinstance(error, NoHttp) else self.failures.unconnected()


def password_steps(options: Mapping[str, str]) -> Sequence[_Body]:
    """`options`: username, password, user_domain or user_domain_id, and project or project_id (an id wins)."""
    return [_user(options) | _project_scope(options)]


def agency_steps(options: Mapping[str, str]) -> Sequence[_Body]:
    """As `password_steps`, beside `agency` and `agency_domain` (name) or `agency_domain_id` of who delegates.

    The project is one of the delegating account.
    """
    # Acting for an agency is a permission of a global service, so the user's own token is scoped to the domain.
    own = _user(options) | {"scope": {"domain": _named(options, "user_domain")}}
    domain = {f"domain_{name}": value for name, value in _named(options, "agency_domain").items()}
    # The documentation's tables say agency_name; its examples and the provider's client send xrole_name.
    role = {**domain, "xrole_name": options["agency"]}
    return [own, {"identity": {"methods": ["assume_role"], "assume_role": role}} | _project_scope(options)]


def subject(options: Mapping[str, str]) -> str:
    """Who logs in, for messages."""
    domain = options.get("user_domain") or options.get("user_domain_id") or "default"
    user = f"user {options['username']!r} of domain {domain!r}"
    return f"{user} for agency {options['agency']!r}" if options.get("agency") else user


def read_token(reply: Reply, max_depth: int) -> Token | None:
    """What the identity service answers to a login (section 5.1 of docs/api.md); None when it is no token."""
    value, body = reply.headers.get("x-subject-token", ""), document(reply.body, max_depth)
    found = body.get("token") if isinstance(body, dict) else None
    if not value or not sendable(value) or not isinstance(found, dict):
        return None
    project = found.get("project")
    return Token(
        value=value,
        lifetime=_lifetime(text(found, "issued_at"), text(found, "expires_at")),
        project_id=text(project, "id") if isinstance(project, dict) else "",
        catalogue=public_endpoints(found.get("catalog")),
    )


def _lifetime(issued: str, expires: str) -> float:
    """Seconds from issue to end, both by the server's clock, so that ours may be wrong. Unknown: it never ends."""
    try:
        return max(0.0, (datetime.fromisoformat(expires) - datetime.fromisoformat(issued)).total_seconds())
    except (ValueError, TypeError):
        return math.inf


def _user(options: Mapping[str, str]) -> dict[str, Any]:
    domain = _named(options, "user_domain")
    user = {"name": options["username"], "password": options["password"], "domain": domain}
    return {"identity": {"methods": ["password"], "password": {"user": user}}}


def _project_scope(options: Mapping[str, str]) -> dict[str, Any]:
    """No domain is sent with a project's name: the identity service looks in the user's own."""
    named = _named(options, "project")
    return {"scope": {"project": named}} if named else {}


def _named(options: Mapping[str, str], name: str) -> dict[str, str]:
    """By id if there is one, else by name."""
    if options.get(f"{name}_id"):
        return {"id": options[f"{name}_id"]}
    return {"name": options[name]} if options.get(name) else {}

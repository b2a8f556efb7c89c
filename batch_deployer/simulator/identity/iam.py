"""The identity service: discovery, tokens, projects (section 5.1). Pure: what comes in and the time go in as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import msgspec

from batch_deployer.simulator.identity.accounts import Accounts
from batch_deployer.simulator.identity.tokens import Tokens
from batch_deployer.simulator.keyed_random import hexadecimal
from batch_deployer.simulator.service import responses
from batch_deployer.simulator.service.responses import SimResponse
from batch_deployer.simulator.world.entities import Account, SimCloud

_MAX_BODY = 32 * 1024


class _Domain(msgspec.Struct):
    name: str = ""
    id: str = ""


class _User(msgspec.Struct):
    password: str
    name: str = ""
    id: str = ""
    domain: _Domain = msgspec.field(default_factory=_Domain)


class _Password(msgspec.Struct):
    user: _User


class _Token(msgspec.Struct):
    id: str


class _AssumeRole(msgspec.Struct):
    domain_name: str = ""
    domain_id: str = ""
    xrole_name: str = ""
    agency_name: str = ""


class _Identity(msgspec.Struct):
    methods: list[str]
    password: _Password | None = None
    token: _Token | None = None
    assume_role: _AssumeRole | None = None


class _Project(msgspec.Struct):
    id: str = ""
    name: str = ""
    domain: _Domain | None = None


class _Scope(msgspec.Struct):
    project: _Project | None = None
    domain: _Domain | None = None


class _Auth(msgspec.Struct):
    identity: _Identity
    scope: _Scope | None = None


class _Login(msgspec.Struct):
    auth: _Auth


_decode = msgspec.json.Decoder(_Login).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class IamReply:
    """A reply and the headers that only this service sends."""

    reply: SimResponse
    headers: Mapping[str, str] = field(default_factory=dict)


class Iam:
    """Answers everything below `/v3`, and the version document at `/`."""

    def __init__(self, account: Account, clouds: tuple[SimCloud, ...], accounts: Accounts, tokens: Tokens) -> None:
        """`accounts` judges, `tokens` issues."""
        self._account = account
        self._clouds = clouds
        self._accounts = accounts
        self._tokens = tokens

    def answer(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, *, now: float, base: str
    ) -> IamReply:
        """`base`: the URL under which the client reaches us, for links and the catalogue."""
        path, _, query = target.partition("?")
        match method, path:
            case "GET", "/":
                return _ok({"versions": {"values": [_version(base)]}}, status=300)
            case "GET", "/v3" | "/v3/":
                return _ok({"version": _version(base)})
            case "POST", "/v3/auth/tokens":
                return self._log_in(headers, body, now=now, base="" if "nocatalog=" in query else base)
            case "GET", "/v3/projects" | "/v3/auth/projects":
                return self._projects(headers, query, now=now, base=base)
            case _:
                return IamReply(reply=responses.no_such_api())

    def _log_in(self, headers: Mapping[str, str], body: bytes, *, now: float, base: str) -> IamReply:
        if len(body) > _MAX_BODY:
            return _refused(400, "IAM.0011", "Request body is too large.")
        try:
            auth = _decode(body).auth
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            return _refused(400, "IAM.0007", f"Request parameters is invalid: {error}")
        refusal = self._refusal(auth.identity, headers, now)
        if refusal is not None:
            return IamReply(reply=refusal)
        project = auth.scope.project if auth.scope is not None else None
        cloud = self._accounts.by_project(project.id, project.name) if project is not None else None
        if project is not None and cloud is None:
            return _refused(404, "IAM.0004", f"Could not find project: {project.id or project.name}.")
        text, token = self._tokens.issue(cloud.name if cloud is not None else "", now)
        user = {"id": self._accounts.user_id, "name": self._account.user, "domain": self._domain()}
        shown = {
            "token": {
                "methods": auth.identity.methods,
                "issued_at": _time(now),
                "expires_at": _time(token.expires),
                "user": user,
                "roles": [{"id": "0", "name": "te_admin"}],
                **self._scope(cloud, project.name if project is not None else ""),
                **({"catalog": _catalog(base)} if base else {}),
                **({"assumed_by": {"user": user}} if auth.identity.assume_role else {}),
            }
        }
        return _ok(shown, status=201, headers={"X-Subject-Token": text})

    def _refusal(self, given: _Identity, headers: Mapping[str, str], now: float) -> SimResponse | None:
        """Why this identity is not believed; None when it is."""
        if given.methods == ["password"] and given.password is not None:
            user = given.password.user
            return self._accounts.password(user.name or user.id, user.domain.name or user.domain.id, user.password, now)
        if given.methods == ["token"] and given.token is not None:
            return None if self._tokens.valid(given.token.id, now) else _expired()
        if given.methods == ["assume_role"] and given.assume_role is not None:
            if not self._tokens.valid(headers.get("X-Auth-Token", ""), now):
                return _expired()
            role = given.assume_role
            domain = role.domain_name or role.domain_id
            known = domain in (self._account.domain, self._accounts.domain_id)
            if known and (role.xrole_name or role.agency_name) == self._account.agency:
                return None
            return responses.identity(404, "IAM.0004", f"Could not find agency {role.xrole_name or role.agency_name}.")
        return responses.identity(400, "IAM.0007", f"Request parameters is invalid: methods {given.methods}")

    def _projects(self, headers: Mapping[str, str], query: str, *, now: float, base: str) -> IamReply:
        if not self._tokens.valid(headers.get("X-Auth-Token", ""), now):
            return IamReply(reply=_expired())
        names = parse_qs(query).get("name", [])
        shown = [
            {
                "id": cloud.project_id,
                "name": cloud.project or cloud.name,
                "domain_id": self._accounts.domain_id,
                "enabled": True,
                "is_domain": False,
                "parent_id": self._accounts.domain_id,
                "links": {"self": f"{base}/v3/projects/{cloud.project_id}"},
            }
            for cloud in self._clouds
            if not names or names[0] in (cloud.project, cloud.name)
        ]
        return _ok({"projects": shown, "links": {"self": f"{base}/v3/projects", "next": None, "previous": None}})

    def _domain(self) -> dict[str, str]:
        return {"id": self._accounts.domain_id, "name": self._account.domain}

    def _scope(self, cloud: SimCloud | None, asked: str) -> dict[str, Any]:
        """`asked`: the name of the project, which goes by the cloud's name too."""
        if cloud is None:
            return {"domain": self._domain()}
        name = asked or cloud.project or cloud.name
        return {"project": {"id": cloud.project_id, "name": name, "domain": self._domain()}}


def _ok(body: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> IamReply:
    return IamReply(reply=SimResponse(status=status, body=body), headers=headers or {})


def _refused(status: int, code: str, message: str) -> IamReply:
    return IamReply(reply=responses.identity(status, code, message))


def _expired() -> SimResponse:
    return responses.identity(401, "IAM.0066", "The token has expired.")


def _version(base: str) -> dict[str, Any]:
    return {
        "id": "v3.6",
        "status": "stable",
        "updated": "2016-04-04T00:00:00Z",
        "links": [{"rel": "self", "href": f"{base}/v3/"}],
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}],
    }


def _catalog(base: str) -> list[dict[str, Any]]:
    """One entry for the service and two words for the identity service, all pointing here."""
    return [
        _entry("ccev2.0", "ccev2.0", base),
        _entry("iam", "iam", base),
        _entry("keystone", "identity", f"{base}/v3"),
    ]


def _entry(name: str, kind: str, url: str) -> dict[str, Any]:
    endpoint = {
        "id": hexadecimal(32, "endpoint", name),
        "interface": "public",
        "region": "sim",
        "region_id": "sim",
        "url": url,
    }
    return {"id": hexadecimal(32, "service", name), "name": name, "type": kind, "endpoints": [endpoint]}


def _time(at: float) -> str:
    return datetime.fromtimestamp(min(at, 4e9), UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

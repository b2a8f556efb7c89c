"""Who may come in: password, token or signature, with the locks that follow too many wrong tries."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from batch_deployer.simulator.identity.signing import Received, fresh, genuine, parse_authorization
from batch_deployer.simulator.identity.tokens import Tokens
from batch_deployer.simulator.keyed_random import hexadecimal
from batch_deployer.simulator.service import responses
from batch_deployer.simulator.service.responses import SimResponse
from batch_deployer.simulator.world.entities import SimCloud
from batch_deployer.simulator.world.world import World

_TRIES = 5
_LOCKED = {"user": 900.0, "key": 300.0}
"""Seconds for which a user or an access key is locked."""


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who was let in."""

    cloud: SimCloud
    token: str = ""
    """Empty when the request was signed."""


@dataclass(slots=True)
class _Lockout:
    """Counts wrong tries in a row."""

    kind: str
    wrong: int = 0
    locked_until: float = 0.0

    def locked(self, now: float) -> bool:
        return now < self.locked_until

    def fail(self, now: float) -> None:
        self.wrong += 1
        if self.wrong >= _TRIES:
            self.wrong, self.locked_until = 0, now + _LOCKED[self.kind]

    def succeed(self) -> None:
        self.wrong = 0


class Accounts:
    """The one user, the one access key, and the tokens."""

    def __init__(self, world: World, tokens: Tokens) -> None:
        """Nothing is locked."""
        self._account = world.account
        self._clouds = world.clouds
        self._tokens = tokens
        self._user = _Lockout("user")
        self._key = _Lockout("key")

    @property
    def user_id(self) -> str:
        """Id of the user."""
        return hexadecimal(32, "user", self._account.user)

    @property
    def domain_id(self) -> str:
        """Id of the user's domain."""
        return hexadecimal(32, "domain", self._account.domain)

    def by_project(self, project_id: str = "", name: str = "") -> SimCloud | None:
        """The cloud of a project, by id or by name (the project's own, or the cloud's)."""
        for cloud in self._clouds:
            if project_id and cloud.project_id == project_id:
                return cloud
        return next((cloud for cloud in self._clouds if name and name in (cloud.project, cloud.name)), None)

    def password(self, user: str, domain: str, password: str, now: float) -> SimResponse | None:
        """None when user, domain (name or id) and password are right; else the refusal."""
        account = self._account
        if self._user.locked(now):
            return responses.identity(
                401, "IAM.0061", "The account is locked: too many wrong passwords. Try again later."
            )
        known = user in (account.user, self.user_id) and domain in (account.domain, self.domain_id, "")
        if known and password == account.password:
            self._user.succeed()
            return None
        if known:
            self._user.fail(now)
        return responses.identity(401, "IAM.0062", "The username or password is wrong.")

    def admit(self, received: Received, now: float) -> Caller | SimResponse:
        """Who sends a request to the service, or the gateway's refusal."""
        headers = received.headers
        token = headers.get("X-Auth-Token", "")
        authorization = headers.get("Authorization", "")
        if not token and authorization[:7].lower() == "bearer ":
            token = authorization[7:].strip()
        if token:
            return self._by_token(token, now)
        if authorization:
            return self._by_signature(received, authorization, now)
        return responses.gateway(401, "APIGW.0301", "Incorrect IAM authentication information: x-auth-token not found")

    def _by_token(self, text: str, now: float) -> Caller | SimResponse:
        token = self._tokens.find(text)
        if token is None:
            return responses.token_foreign()
        if not self._tokens.valid(text, now):
            return responses.token_expired()
        cloud = next((cloud for cloud in self._clouds if cloud.name == token.cloud), None)
        if cloud is None:
            return responses.gateway(403, "APIGW.0302", "The token is not scoped to a project")
        return Caller(cloud=cloud, token=text)

    def _by_signature(self, received: Received, authorization: str, now: float) -> Caller | SimResponse:
        if self._key.locked(now):
            return _unsigned("AK access failed to reach the limit,forbidden")
        signed = parse_authorization(authorization)
        if signed is None:
            return _unsigned("the Authorization header is malformed")
        if signed.access_key != self._account.access_key:
            return _unsigned(f"ak {signed.access_key[:32]} not exist")
        if not fresh(received, now):
            return responses.gateway(401, "APIGW.0303", "Incorrect app authentication information: signature expired")
        if not genuine(received, signed, self._account.secret_key):
            self._key.fail(now)
            return _unsigned("verify aksk signature fail")
        self._key.succeed()
        return self._project_of(received.headers)

    def _project_of(self, headers: Mapping[str, str]) -> Caller | SimResponse:
        """The project named in the header; the user's first when none is."""
        project_id = headers.get("X-Project-Id", "")
        cloud = self.by_project(project_id) if project_id else self._clouds[0]
        if cloud is None:
            return responses.identity(400, "IAM.1109", f"project {project_id[:40]} not found")
        return Caller(cloud=cloud)


def _unsigned(why: str) -> SimResponse:
    return responses.gateway(401, "APIGW.0301", f"Incorrect IAM authentication information: {why}")

"""What can go wrong at a login, each a value with a line of our own: whatever the server echoed, the secrets are struck out."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from batch_deployer.model.api import UNTRUSTED, Answer
from batch_deployer.model.redact import Redactor
from batch_deployer.transport.auth.credentials import LoginRefused, Unavailable
from batch_deployer.transport.tls import environment_bundle
from batch_deployer.transport.wire.error_bodies import read_error
from batch_deployer.util.wire_text import clean

_MAX_MESSAGE = 500
"""Characters of a server's text that are shown."""
_TRANSIENT = frozenset({408, 410, 429})
"""Beside every 5xx. 410 is the identity service failing over to another region (IAM.0020)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failures:
    """Who logs in where, and how each failure of that reads."""

    who: str
    """Cloud, for messages: `cloud 'otc-de'`."""
    auth_url: str
    subject: str
    """User or what else logs in, for messages."""
    secrets: Sequence[str] = field(default=(), repr=False)
    """Texts to strike out of messages."""
    timeout: float = 30.0
    """Seconds for each wait on the network."""

    @property
    def where(self) -> str:
        """Cloud and address, for messages."""
        return f"{self.who}: login at {self.auth_url}"

    def answered(self, status: int, content: bytes, wait: float = 0.0) -> LoginRefused | Unavailable:
        """An HTTP status from 400, its body, and the seconds to wait that it asks for."""
        body = read_error(content)
        said = " ".join(part for part in (body.code, body.message) if part)
        cause = f"HTTP {status}" + (f" {self._tidy(said)}" if said else "")
        if status in _TRANSIENT or status >= 500:
            return Unavailable(f"{self.where}: {cause}", wait=wait)
        if status == 404:
            return LoginRefused(f"{self.where}: {cause}; check auth_url (it ends in /v3), project and domain")
        if status in {401, 403, 400}:
            return LoginRefused(
                f"{self.where}: {self.subject} was refused ({cause}); correct user, domain, password and project. "
                "Not tried again, as repeated failures lock the account"
            )
        return LoginRefused(f"{self.where}: {cause}; check auth_url")

    def unanswered(self, answer: Answer, ca_file: str) -> LoginRefused | Unavailable:
        """No response came. `ca_file`: the bundle of the settings."""
        if answer.status == 407:
            return LoginRefused(f"{self.where}: {answer.message}. Not tried again")
        if answer.code != UNTRUSTED:
            return Unavailable(f"{self.where}: {answer.message}; check auth_url, the network and the proxy settings")
        ca_file = ca_file or environment_bundle()[1]
        remedy = f"{ca_file} does not hold its issuer" if ca_file else "give the issuer as ca_file"
        if "mismatch" in answer.message or "not valid for" in answer.message:
            remedy = "check the host name in auth_url"
        elif "expired" in answer.message or "not yet valid" in answer.message:
            remedy = "renew the certificate, or set this machine's clock right"
        return Unavailable(f"{self.where}: {answer.message}; {remedy}", again=False)

    def silent(self) -> Unavailable:
        """Nothing came in time."""
        return Unavailable(f"{self.where}: no answer within {self.timeout:g} s")

    def no_token(self, why: str = "") -> Unavailable:
        """A good answer of something else."""
        told = f"the answer is no token{': ' if why else ''}{why}"
        return Unavailable(f"{self.where}: {told}; check that auth_url is an identity service")

    def other(self, text: str) -> LoginRefused:
        """Anything else, as the library that met it says it."""
        return LoginRefused(f"{self.where} failed: {self._tidy(text)}; check the auth settings")

    def _tidy(self, text: str) -> str:
        return clean(Redactor(lambda: self.secrets).text(text), _MAX_MESSAGE)

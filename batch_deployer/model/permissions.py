"""What the operator allows a manifest to name: hosts that receive credentials, folders that hold secrets. Pure.

A manifest may come from anybody, so a host that it names receives a credential only if the credential's owner trusts
that host. See docs/security.md.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from ipaddress import ip_address
from pathlib import PurePath
from urllib.parse import urlsplit

_PROVIDER = re.compile(
    r"(iam|iam-pub|cce)\.([a-z0-9-]+\.)?(otc\.t-systems\.com|sc\.otc\.t-systems\.com|myhuaweicloud\.(com|eu))"
)
"""The provider's own services. Other names below its domains, such as API gateways and buckets, are its customers'."""
_PROVIDER_DOMAINS = ("t-systems.com", "myhuaweicloud.com", "myhuaweicloud.eu")
_SECOND_LEVEL = frozenset({"ac", "co", "com", "edu", "gov", "net", "or", "org"})
"""Below these, as in `example.co.uk`, a domain of two labels belongs to nobody in particular."""
_SECRET_FOLDERS = ("/run/secrets", "/var/run/secrets")
_NEVER = ("/proc", "/sys", "/dev")
_GLOB = re.compile(r"[A-Za-z0-9.*?\[\]!_:-]+")


def host_glob(text: str) -> str:
    """A pattern of host names, as `--allow-host` takes it. ValueError (with advice) otherwise."""
    if not _GLOB.fullmatch(text) or "//" in text:
        raise ValueError(f"{text!r} is not a pattern of host names; write for example cce.example.com or *.example.com")
    return _normal(text)


def host_of(url: str) -> str:
    """The host of a URL in lower case, without port and final dot; empty when there is none."""
    try:
        return _normal(urlsplit(url).hostname or "")
    except ValueError:
        return ""


def is_on_loopback(url: str) -> bool:
    """Whether a URL names this machine."""
    return _is_loopback(host_of(url))


def _normal(host: str) -> str:
    return host.lower().removesuffix(".")


@dataclass(frozen=True, slots=True, kw_only=True)
class Permissions:
    """The operator's word, from the command line and the environment."""

    hosts: tuple[str, ...] = ()
    """Patterns of host names that may receive credentials."""
    secret_folders: tuple[str, ...] = ()
    """Absolute folders whose files a manifest may name as secrets, besides its own and the usual ones."""
    clouds_from_cwd: bool = False
    """Whether clouds.yaml may lie in the working folder."""
    max_writes: str = ""
    """Rate above which limits may not ask for writes to one cloud; empty: the default, except on loopback."""
    max_reads: str = ""

    def permits_host(self, url: str, own: Iterable[str]) -> bool:
        """Whether a credential may go to a URL that a manifest names.

        `own`: URLs that the credential's owner gave, such as its `auth_url` and the service catalogue.
        """
        host = host_of(url)
        if not host:
            return False
        return (
            _is_loopback(host)
            or _PROVIDER.fullmatch(host) is not None
            or any(_in_domain(host, host_of(each)) for each in own)
            or any(fnmatchcase(host, pattern) for pattern in self.hosts)
        )

    def permits_secret(self, path: PurePath, folders: Iterable[PurePath]) -> bool:
        """Whether a secret may be read from a path without links. `folders`: further places, such as the manifest's."""
        if any(path.is_relative_to(each) for each in _NEVER):
            return False
        places = (*map(PurePath, (*_SECRET_FOLDERS, *self.secret_folders)), *folders)
        return any(path.is_relative_to(each) for each in places)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _in_domain(host: str, own: str) -> bool:
    """Whether a host is `own`, or shares its domain: the name without its first label."""
    if not own:
        return False
    domain = own.partition(".")[2]
    labels = domain.split(".")
    shared = len(labels) > 1 and not (len(labels) == 2 and labels[0] in _SECOND_LEVEL)
    if not shared or _is_address(own) or domain.endswith(_PROVIDER_DOMAINS):
        return host == own
    return host in {own, domain} or host.endswith(f".{domain}")


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


NO_PERMISSIONS = Permissions()
"""What a manifest may name when the operator says nothing."""

"""Where requests may go: only over TLS or to this machine itself, past the proxies of the environment."""

import ipaddress
import os
import ssl
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies

from batch_deployer.errors import BadInput
from batch_deployer.transport.wire.text import clean


def checked(url: str, what: str) -> str:
    """A base URL without its trailing slash.

    Raises BadInput unless it is https, or http to a loopback address: a credential goes with every request.
    """
    bare = url.strip().rstrip("/")
    try:
        parts = urlsplit(bare)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise BadInput(f"{what} {url!r} is no URL; write for example https://cce.eu-de.otc.t-systems.com") from None
    if not host or parts.scheme not in {"https", "http"}:
        raise BadInput(f"{what} {url!r} is no URL; write for example https://cce.eu-de.otc.t-systems.com")
    if "@" in parts.netloc:
        raise BadInput(f"{what} on host {host} holds a user name or password; take it out and give it under auth")
    if parts.query or parts.fragment or not bare.isascii() or not bare.isprintable() or " " in bare:
        raise BadInput(f"{what} {url!r} must be a plain base URL, without query, fragment or blanks")
    if parts.scheme == "http" and not is_loopback(bare):
        raise BadInput(f"{what} {url!r} is not encrypted; credentials go only to https, or to http on this machine")
    return bare


def is_loopback(url: str) -> bool:
    """Whether a URL leads to this very machine, by its text alone: no name is looked up."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def proxy_for(url: str) -> str:
    """The proxy that the environment names for a URL, as `requests` reads it; empty for none.

    Never one for loopback: a token in plain http would leave the machine. Raises BadInput, naming the variable, for a
    proxy that cannot be used.
    """
    if is_loopback(url) or not getproxies():
        return ""
    from requests.utils import get_environ_proxies, select_proxy  # noqa: PLC0415 - loads late

    try:
        found = "" if _excluded(url) else select_proxy(url, get_environ_proxies(url))
    except ValueError:
        raise BadInput(
            "NO_PROXY cannot be read; write host names, addresses or networks with commas between them"
        ) from None
    if not found:
        return ""
    names = [name for name in os.environ if name.lower().endswith("_proxy") and os.environ[name] == found]
    where = names[0] if names else "the system's proxy setting"
    try:
        # As curl does it. `requests` would take the host of `proxy:3128` for a scheme.
        text = found.strip()
        proxy = text if "://" in text else f"http://{text.removeprefix('//')}"
        parts = urlsplit(proxy)
        host = (parts.hostname or "").encode("idna")  # a ValueError for a label that is empty or too long
        usable = bool(host) and parts.port != 0 and parts.scheme in {"http", "https"}
        usable = usable and proxy.isprintable() and " " not in proxy
    except ValueError:
        usable = False
    if not usable:
        # The text may hold a password, so it is not shown.
        raise BadInput(f"{where} names no proxy that can be used; write http://HOST:PORT (SOCKS is not supported)")
    return proxy


def _excluded(url: str) -> bool:
    """Whether NO_PROXY holds the network of an IPv6 address, which `requests` does not read and curl does."""
    host = urlsplit(url).hostname or ""
    listed = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    if ":" not in host:
        return False
    networks = [entry.strip().strip("[]") for entry in listed.split(",") if ":" in entry]
    return any(ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False) for entry in networks)


def tls_context(ca_file: str) -> ssl.SSLContext:
    """Verified TLS by the system's certificates, or by a bundle (PEM) alone. About 30 ms: make one and keep it."""
    try:
        return ssl.create_default_context(cafile=str(Path(ca_file).expanduser()) if ca_file else None)
    except (OSError, ssl.SSLError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "not a PEM file"
        raise BadInput(f"ca_file {ca_file!r} cannot be used: {why}") from None


def tls_reason(error: Exception) -> str:
    """Why OpenSSL refused a server, for people: `certificate verify failed: certificate has expired`."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate cannot be verified: {clean(error.verify_message)}"
    if isinstance(error, ssl.SSLError) and error.reason:
        return f"the TLS handshake failed: {clean(error.reason.replace('_', ' ').lower())}"
    return f"the TLS handshake failed: {clean(str(getattr(error, 'strerror', None) or type(error).__name__))}"

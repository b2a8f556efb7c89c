"""Where requests may go: only over TLS or to this machine itself, past the proxies of the environment."""

import ipaddress
import os
import ssl
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies

from batch_deployer.errors import InputError
from batch_deployer.util.wire_text import clean


def checked(url: str, what: str) -> str:
    """A base URL without its trailing slash.

    Raises InputError unless it is https, or http to a loopback address: a credential goes with every request.
    """
    bare = url.strip().rstrip("/")
    try:
        parts = urlsplit(bare)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise InputError(f"{what} {url!r} is no URL; write for example https://cce.eu-de.otc.t-systems.com") from None
    if not host or parts.scheme not in {"https", "http"}:
        raise InputError(f"{what} {url!r} is no URL; write for example https://cce.eu-de.otc.t-systems.com")
    if "@" in parts.netloc:
        raise InputError(f"{what} on host {host} holds a user name or password; take it out and give it under auth")
    if parts.query or parts.fragment or not bare.isascii() or not bare.isprintable() or " " in bare:
        raise InputError(f"{what} {url!r} must be a plain base URL, without query, fragment or blanks")
    if parts.scheme == "http" and not is_loopback(bare):
        raise InputError(f"{what} {url!r} is not encrypted; credentials go only to https, or to http on this machine")
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

    Never one for loopback: a token in plain http would leave the machine. Raises InputError, naming the variable, for a
    proxy that cannot be used.
    """
    if is_loopback(url) or not getproxies():
        return ""
    from requests.utils import get_environ_proxies, select_proxy  # noqa: PLC0415 - loads late

    try:
        found = "" if _excluded(url) else select_proxy(url, get_environ_proxies(url))
    except ValueError:
        raise InputError(
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
        raise InputError(f"{where} names no proxy that can be used; write http://HOST:PORT (SOCKS is not supported)")
    return proxy


def _excluded(url: str) -> bool:
    """Whether NO_PROXY holds the network of an IPv6 address, which `requests` does not read and curl does."""
    host = urlsplit(url).hostname or ""
    listed = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    if ":" not in host:
        return False
    networks = [entry.strip().strip("[]") for entry in listed.split(",") if ":" in entry]
    return any(ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False) for entry in networks)


_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
"""Variables that name trusted certificates, in the order in which the OpenStack tools and Python ask them."""


def environment_bundle() -> tuple[str, str]:
    """The variable that names trusted certificates, and its file or folder; empty texts for none."""
    return next(((name, path) for name in _BUNDLES if (path := os.environ.get(name, "").strip())), ("", ""))


def tls_context(ca_file: str, certificate: str | tuple[str, str] | None = None) -> ssl.SSLContext:
    """Verified TLS by a bundle (PEM) alone, else by that of the environment, else by the system's certificates.

    `certificate`: the client's own, as a file that holds certificate and key, or as two files. About 30 ms: make one and
    keep it. Raises InputError, naming the setting, for a file that cannot be used.
    """
    name, path = ("ca_file", str(Path(ca_file).expanduser())) if ca_file else environment_bundle()
    folder = bool(path) and Path(path).is_dir()
    try:
        context = ssl.create_default_context(
            cafile=path if path and not folder else None, capath=path if folder else None
        )
    except (OSError, ssl.SSLError) as error:
        raise InputError(f"{name} {ca_file or path!r} cannot be used: {_why(error, 'not a PEM file')}") from None
    if certificate:
        files = (certificate,) if isinstance(certificate, str) else certificate
        try:
            context.load_cert_chain(*(str(Path(each).expanduser()) for each in files))
        except (OSError, ssl.SSLError) as error:
            why = _why(error, "not a certificate and its key in PEM, without a password")
            raise InputError(f"the client certificate {' and '.join(files)} cannot be used: {why}") from None
    return context


def _why(error: Exception, otherwise: str) -> str:
    return (
        error.strerror
        if isinstance(error, OSError) and not isinstance(error, ssl.SSLError) and error.strerror
        else otherwise
    )


def tls_reason(error: Exception) -> str:
    """Why OpenSSL refused a server, for people: `certificate verify failed: certificate has expired`."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate cannot be verified: {clean(error.verify_message)}"
    if isinstance(error, ssl.SSLError) and error.reason:
        return f"the TLS handshake failed: {clean(error.reason.replace('_', ' ').lower())}"
    return f"the TLS handshake failed: {clean(str(getattr(error, 'strerror', None) or type(error).__name__))}"

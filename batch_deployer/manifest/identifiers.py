"""Rules for names, ids and addresses, without the weight of the schema library."""

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

_RELEASE = re.compile(r"[a-z]([-a-z0-9]{0,51}[a-z0-9])?")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def release_name(text: str) -> str:
    """A release name as Helm and the API take it. ValueError (with advice) otherwise."""
    if not _RELEASE.fullmatch(text):
        raise ValueError(
            f'"{text}" is not a release name; use lower-case letters, digits and -, start with a letter, '
            "end with a letter or digit, 53 at most"
        )
    return text


def cluster_id(text: str) -> str:
    """A cluster id in lower case. ValueError (with advice) otherwise."""
    if not _UUID.fullmatch(text):
        raise ValueError(f'"{text}" is not a cluster id; it is a UUID such as a870253f-5dc7-11ee-bf71-0255ac100b03')
    return text.lower()


def loopback(url: str) -> bool:
    """Whether a URL leads to this very machine."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def endpoint(text: str) -> str:
    """A base URL without a trailing slash: https, or http to loopback. ValueError (with advice) otherwise."""
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError as error:
        raise ValueError(f'"{text}" is not a URL: {error}') from None
    if parts.scheme not in ("https", "http") or not parts.hostname or re.search(r"\s", text):
        raise ValueError(f'"{text}" is not a URL; write for example https://cce.eu-de.otc.t-systems.com')
    if parts.query or parts.fragment or parts.username is not None or parts.password is not None:
        raise ValueError("the URL must not hold a user, a query or a fragment")
    if parts.scheme == "http" and not loopback(text):
        raise ValueError(f'"{text}" would send credentials unencrypted; use https (http is for loopback only)')
    return text.rstrip("/")

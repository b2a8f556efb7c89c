"""Where CCE is, by the service catalogue that comes with a token. Pure."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from batch_deployer.errors import InputError
from batch_deployer.transport.auth.credentials import Endpoint

TYPES = ("ccev2.0", "cce", "containerengine")
"""In order of trust: the first is the bare host, the others end in an old path."""


def endpoints(catalogue: Any) -> tuple[Endpoint, ...]:
    """The addresses of a token's `catalog`; what cannot be understood is left out."""
    return tuple(
        Endpoint(
            type=str(service.get("type") or ""),
            region=str(entry.get("region_id") or entry.get("region") or ""),
            url=str(entry.get("url") or ""),
            interface=str(entry.get("interface") or ""),
        )
        for service in _objects(catalogue)
        for entry in _objects(service.get("endpoints"))
    )


def cce_endpoint(
    catalogue: Sequence[Endpoint], region: str, who: str, interfaces: Sequence[str] = ("public",), kind: str = ""
) -> str:
    """Base URL of CCE in a region (or in the only one there is), without any path.

    `interfaces`: the first that is there counts. `kind`: a service type that goes before the usual ones.
    Raises InputError when the catalogue does not settle it. `who`: the cloud, for the message.
    """
    for interface in interfaces:
        for each in (kind, *TYPES) if kind else TYPES:
            found = [entry for entry in catalogue if entry.type == each and entry.interface == interface and entry.url]
            hosts = {_bare(entry.url) for entry in found if not region or entry.region in {region, "*", ""}}
            if len(hosts) == 1:
                return hosts.pop()
            if len(hosts) > 1:
                regions = ", ".join(sorted({entry.region for entry in found}))
                raise InputError(f"{who}: CCE is offered in several regions ({regions}); give region or endpoint")
    where = f" for region {region}" if region else ""
    where += "" if tuple(interfaces) == ("public",) else f" with interface {' or '.join(interfaces)}"
    raise InputError(
        f"{who}: the service catalogue names no CCE{where}; give endpoint, for example https://cce.eu-de.otc.t-systems.com"
    )


def _objects(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _bare(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return url  # refused later, as what it is
    return f"{parts.scheme}://{parts.netloc}"

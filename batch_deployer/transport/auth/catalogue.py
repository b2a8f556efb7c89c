"""Where CCE is, by the service catalogue that comes with a token. Pure."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from batch_deployer.errors import BadInput
from batch_deployer.transport.auth.tokens import Endpoint

TYPES = ("ccev2.0", "cce", "containerengine")
"""In order of trust: the first is the bare host, the others end in an old path."""


def public_endpoints(catalogue: Any) -> tuple[Endpoint, ...]:
    """The public addresses of a token's `catalog`; what cannot be understood is left out."""
    services = [service for service in catalogue if isinstance(service, dict)] if isinstance(catalogue, list) else []
    return tuple(
        Endpoint(
            type=str(service.get("type") or ""),
            region=str(endpoint.get("region_id") or endpoint.get("region") or ""),
            url=str(endpoint.get("url") or ""),
        )
        for service in services
        for endpoint in service.get("endpoints") or ()
        if isinstance(endpoint, dict) and endpoint.get("interface") == "public"
    )


def cce_endpoint(catalogue: Sequence[Endpoint], region: str, who: str) -> str:
    """Base URL of CCE in a region (or in the only one there is), without any path.

    Raises BadInput when the catalogue does not settle it. `who`: the cloud, for the message.
    """
    for kind in TYPES:
        found = [entry for entry in catalogue if entry.type == kind and entry.url]
        hosts = {_bare(entry.url) for entry in found if not region or entry.region in {region, "*", ""}}
        if len(hosts) == 1:
            return hosts.pop()
        if len(hosts) > 1:
            regions = ", ".join(sorted({entry.region for entry in found}))
            raise BadInput(f"{who}: CCE is offered in several regions ({regions}); give region or endpoint")
    where = f" for region {region}" if region else ""
    raise BadInput(
        f"{who}: the service catalogue names no CCE{where}; give endpoint, for example https://cce.eu-de.otc.t-systems.com"
    )


def _bare(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"

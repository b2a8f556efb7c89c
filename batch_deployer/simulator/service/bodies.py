"""JSON objects exactly as the API shows them (sections 2.4 to 2.6 of the API card)."""

from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Any

import msgspec

_BEIJING = timezone(timedelta(hours=8))


class ReleaseBody(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A release (section 2.4)."""

    name: str
    namespace: str
    cluster_id: str
    cluster_name: str
    chart_name: str
    chart_version: str
    chart_public: bool
    version: int
    """Helm revision."""
    status: str
    status_description: str
    description: str
    values: str
    """A JSON document inside a string."""
    parameters: str
    resources: str
    create_at: str
    update_at: str


class ChartBody(msgspec.Struct, frozen=True, kw_only=True):
    """A chart (section 2.5)."""

    id: str
    name: str
    version: str
    description: str
    values: str
    public: bool
    translate: str = ""
    instruction: str = ""
    source: str = "package"
    icon_url: str = ""
    chart_url: str = ""
    create_at: str
    update_at: str


class ClusterBody(msgspec.Struct, frozen=True, kw_only=True):
    """A cluster (section 2.6)."""

    kind: str = "Cluster"
    api_version: str = msgspec.field(default="v3", name="apiVersion")
    metadata: dict[str, Any]
    spec: dict[str, Any]
    status: dict[str, Any]


class ClusterListBody(msgspec.Struct, frozen=True, kw_only=True):
    """All clusters of a project."""

    kind: str = "Cluster"
    api_version: str = msgspec.field(default="v3", name="apiVersion")
    items: list[ClusterBody]


def release_time(at: float) -> str:
    """Epoch seconds as releases show them: whole seconds, +08:00."""
    return _in_beijing(int(at))


@lru_cache(maxsize=1024)
def _in_beijing(at: int) -> str:
    """Kept, as a list shows two for each release."""
    return datetime.fromtimestamp(at, _BEIJING).isoformat()


def chart_time(at: float) -> str:
    """Epoch seconds as charts show them: with a Z."""
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def cluster_time(at: float) -> str:
    """Epoch seconds as clusters show them, which is no ISO 8601: `2026-06-10 14:06:58.211095 +0000 UTC`."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S.%f +0000 UTC")

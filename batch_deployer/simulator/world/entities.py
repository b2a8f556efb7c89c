"""What a simulated world consists of: clouds, clusters, charts, releases that run already, one account."""

import secrets
from collections.abc import Iterable
from typing import Literal, Self

import msgspec

from batch_deployer.simulator.keyed_random import uniform


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """JSON-able, and strict: a misspelt field is refused."""


class SimCloud(Part, frozen=True, kw_only=True):
    """A project of the simulated provider, with the limits that its gateway enforces."""

    name: str
    """As the fleet's callers name it; also accepted as the project's name at login."""
    project_id: str
    """32 hexadecimal digits."""
    project: str = ""
    """Project name (`eu-de`); empty: the cloud's name."""
    writes: str = "10/min"
    reads: str = "10/s"
    tolerance: float = 0.02
    """Share by which the gateway's window is shorter than its name: calls spaced exactly by the client arrive
    early or late by the network's jitter, and that alone must not refuse them."""


class SimCluster(Part, frozen=True, kw_only=True):
    """A cluster of one cloud."""

    id: str
    name: str
    cloud: str
    phase: str = "Available"
    tags: dict[str, str] = {}
    lists_revisions: bool = False
    """Lists show every revision of a release, the newest first."""
    shows: Literal["sent", "texts", "pruned", "masked", "nothing"] = "sent"
    """Values as they are shown: as sent; scalars as texts; without what is empty; each text as `******`; none."""
    unlisted: tuple[str, ...] = ()
    """Namespaces whose releases lists leave out."""
    occupied: tuple[str, ...] = ()
    """Release names whose create is refused because another resource exists."""
    names_by_template: bool = False
    """A create with a `name_template` makes a release of the name that the template gives."""


class SimChart(Part, frozen=True, kw_only=True):
    """A chart, offered in every cloud."""

    id: str
    name: str
    versions: tuple[str, ...] = ("1.0.0",)
    """Oldest first. A create names one of them, an upgrade (which names none) gets the last. Empty: any version goes."""
    public: bool = False
    description: str = ""
    values: str = "{}"
    """Default values, a JSON object as text."""
    install: float = 40.0
    """Median seconds of an install."""
    spread: float = 0.35
    """Standard deviation of the logarithm of the install time; 0: every install takes the median."""
    uploaded: float = -172_800.0
    """Seconds after the start at which it was uploaded last; releases that run already are one day old."""


class SimRelease(Part, frozen=True, kw_only=True):
    """A release that runs before the story begins."""

    cluster_id: str
    namespace: str
    name: str
    chart_id: str
    version: str = ""
    """Chart version; empty: the chart's last."""
    values: str = "{}"
    revision: int = 1
    status: str = "DEPLOYED"


class Account(Part, frozen=True, kw_only=True):
    """The one user of the simulated identity service."""

    user: str = "demo"
    password: str = "demo"  # noqa: S105 - a password of the simulated world
    domain: str = "sim"
    agency: str = "deployers"
    access_key: str = "SIMULATEDACCESSKEY00"
    secret_key: str = "SimulatedSecretKey0000000000000000000000"  # noqa: S105 - same
    tokens: dict[str, str] = {}
    """Tokens that are valid for ever, each with the name of its cloud."""

    @classmethod
    def random(cls) -> Self:
        """An account that no other user of this machine can guess, for a world that is served."""
        return cls(
            password=secrets.token_urlsafe(12),
            access_key=secrets.token_hex(10).upper(),
            secret_key=secrets.token_hex(20),
        )


def timed_chart(chart_id: str, name: str, versions: Iterable[str]) -> SimChart:
    """A chart whose install time follows from its name: charts differ, the same chart is the same everywhere."""
    return SimChart(
        id=chart_id, name=name, versions=tuple(versions), install=round(15 + 45 * uniform("install", name), 1)
    )

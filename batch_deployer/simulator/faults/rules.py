"""What can go wrong, and for whom: one rule is one line of a fault file, as a value."""

from enum import StrEnum

import msgspec


class Effect(StrEnum):
    """What a rule does. The first rule that fires decides a request; those about a release's fate all apply."""

    ERROR = "error"
    """An answer with `status` 500, 502, 503 or 504; `acts` says whether the write took effect all the same."""
    HTML = "html"
    """The same, but the body is some proxy's HTML."""
    RESET = "reset"
    """The connection is reset instead of an answer; `acts` as above."""
    TIMEOUT = "timeout"
    """Nothing comes back for `seconds`, then the connection is reset; `acts` as above."""
    SLOW = "slow"
    """The right answer, `seconds` late."""
    THROTTLE = "throttle"
    """429 of the gateway, not executed."""
    LOCKED = "locked"
    """429 of the service: the release is locked by another request."""
    EXPIRE_TOKEN = "expire_token"  # noqa: S105 - a word, no secret
    """401: the token that was used is revoked from now on."""
    FORBIDDEN = "forbidden"
    """403 of the service for everything on a cluster; the probability is drawn per cluster."""
    UNREACHABLE = "unreachable"
    """500: the service cannot reach the cluster; the probability is drawn per cluster."""
    STALE = "stale"
    """For `seconds` after a write, readers see the release as it was before."""
    FAIL = "fail"
    """What the write started ends FAILED."""
    STUCK = "stuck"
    """What the write started stays pending (a delete: DELETING) for ever."""
    UNKNOWN = "unknown"
    """What the write started ends UNKNOWN."""
    VANISH = "vanish"
    """`seconds` after the write the release is gone without a trace."""
    OTHER_UPGRADE = "other_upgrade"
    """`seconds` after the write another actor upgrades the release."""
    OTHER_DELETE = "other_delete"
    """`seconds` after the write another actor deletes the release."""
    OTHER_RECREATE = "other_recreate"
    """`seconds` after the write another actor deletes the release and installs another chart under its name."""
    ALLOW_COLLISION = "allow_collision"
    """A create of an existing name is applied as a further install instead of being refused."""
    PHASE = "phase"
    """The cluster is in `phase` during the rule's window."""


WRITE_EFFECTS = frozenset(
    {
        Effect.STALE,
        Effect.FAIL,
        Effect.STUCK,
        Effect.UNKNOWN,
        Effect.VANISH,
        Effect.OTHER_UPGRADE,
        Effect.OTHER_DELETE,
        Effect.OTHER_RECREATE,
        Effect.ALLOW_COLLISION,
    }
)
"""Effects on what a write does, not on its answer."""
INCIDENTS = frozenset({Effect.VANISH, Effect.OTHER_UPGRADE, Effect.OTHER_DELETE, Effect.OTHER_RECREATE})
"""What other actors do to a release."""
ANSWERS = frozenset(Effect) - WRITE_EFFECTS - {Effect.PHASE}
"""Effects on the answer to one request."""


class Acts(StrEnum):
    """Whether a request that gets a bad answer took effect."""

    NEVER = "never"
    AT_ONCE = "at_once"
    LATE = "late"
    """The write is applied `late` seconds after its bad answer."""


WRITES = frozenset({"create_release", "update_release", "delete_release"})
READS = frozenset(
    {
        "list_releases",
        "show_release",
        "release_history",
        "list_charts",
        "show_chart",
        "list_clusters",
        "show_cluster",
        "cluster_tags",
    }
)
STARTS = frozenset({"create_release", "update_release"})


class FaultRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Effect, whom it hits, how often, when. Durations are simulated seconds; patterns are globs."""

    effect: Effect
    name: str = ""
    """Keys the rule's chance: rules of one name and seed draw alike. Empty: effect and place in the file."""
    cloud: str = "*"
    cluster: str = "*"
    """Id or name."""
    release: str = "*"
    """`namespace/name` or name."""
    chart: str = "*"
    """Id or name; matches creates and updates only."""
    calls: frozenset[str] = frozenset()
    """Kinds of calls; empty: those for which the effect makes sense."""
    probability: float = 1.0
    """Per request; for fates per (release, revision); for phases, unreachable and
    forbidden per cluster."""
    attempts: tuple[int, ...] = ()
    """Only these attempts, from 1, counted per kind of call and release (lists: per cluster); what the hard limits
    refused does not count."""
    first: int = 0
    """Only the first so many attempts; 0: all."""
    after: int = 0
    """Only attempts later than this."""
    starts: float = msgspec.field(default=0.0, name="from")
    """Seconds since the fleet's start."""
    until: float = float("inf")
    every: float = 0.0
    """The window repeats with this period; 0: it does not."""
    status: int = 0
    """HTTP status of `error` and `html`; 0: 500 for an error, 502 for HTML."""
    acts: Acts = Acts.NEVER
    seconds: float = -1.0
    """See the effects; negative: the effect's default."""
    late: float = 15.0
    phase: str = ""

    def covers(self, kind: str) -> bool:
        """Whether the rule is about this kind of call."""
        if self.calls:
            return kind in self.calls
        if self.effect in (Effect.STALE, Effect.LOCKED):
            return kind in WRITES
        if self.effect == Effect.ALLOW_COLLISION:
            return kind == "create_release"
        return self.effect not in WRITE_EFFECTS or kind in STARTS

    def open(self, elapsed: float) -> bool:
        """Whether the window is open, so many simulated seconds after the start."""
        at = elapsed % self.every if self.every else elapsed
        return self.starts <= at < self.until

    def counts(self, attempt: int) -> bool:
        """Whether the rule is about this attempt."""
        if self.attempts and attempt not in self.attempts:
            return False
        return attempt > self.after and (not self.first or attempt <= self.first)

    @property
    def duration(self) -> float:
        """`seconds`, or what the effect takes when none are given."""
        return self.seconds if self.seconds >= 0 else _SECONDS.get(self.effect, 0.0)


_SECONDS = {
    Effect.TIMEOUT: 120.0,
    Effect.SLOW: 5.0,
    Effect.STALE: 10.0,
    Effect.VANISH: 20.0,
    Effect.OTHER_UPGRADE: 20.0,
    Effect.OTHER_DELETE: 20.0,
    Effect.OTHER_RECREATE: 20.0,
}

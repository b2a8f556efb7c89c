"""What happens in a run, as facts. The journal stores these and nothing else; every state is a fold over them.

Times (`at`) are wall clock, seconds since the epoch. No event ever holds a secret or a token.
Encoding: tagged JSON objects (`msgspec`), so that old journals stay readable while fields are only added.
"""

from typing import Annotated, TypeAlias

import msgspec

from batch_deployer.model.deployment import Action, ConfirmedState, Deferral, Operation, Outcome

LAST_TIME = 253402300799.0
"""The last second of the year 9999."""
Time: TypeAlias = Annotated[float, msgspec.Meta(ge=0.0, le=LAST_TIME)]
"""Wall clock, seconds since the epoch, that a calendar can show: checked where it is read."""


class _Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag_field="kind"):
    at: Time


class _DeploymentEvent(_Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    key: str


class Planned(_DeploymentEvent, frozen=True, kw_only=True, omit_defaults=True, tag="planned"):
    """What will be done to it, decided from a fresh observation."""

    action: Action
    reason: str = ""
    status: str = ""
    revision: int = 0
    updated_at: str = ""
    created_at: str = ""


class Intended(_DeploymentEvent, frozen=True, kw_only=True, omit_defaults=True, tag="intended"):
    """A write is about to leave. Durable before the first byte does."""

    operation: Operation
    attempt: int
    """1 for the first write of this deployment in this run."""
    revision: int = 0
    """Baseline: revision seen before the write; 0 when the release was absent."""
    updated_at: str = ""
    """Baseline `update_at`."""
    created_at: str = ""
    """Baseline `create_at`."""
    cloud_at: float = 0.0
    """The same moment by the cloud's clock, which ours may be far from; 0 when the cloud has not told its time."""
    target: int = 0
    """Revision that a rollback returns to; 0 for other operations."""
    values: str = ""
    """Keyed digest of the values that are sent; empty for an operation that sends none."""


class Accepted(_DeploymentEvent, frozen=True, kw_only=True, omit_defaults=True, tag="accepted"):
    """The cloud took the write."""

    operation: Operation
    request_id: str = ""
    name: str = ""
    """Name that the cloud gave the release; empty when it is the plan's."""


class Refused(_DeploymentEvent, frozen=True, kw_only=True, omit_defaults=True, tag="refused"):
    """The write was certainly not executed and may be tried again (throttle, lock, not sent, lost fence)."""

    operation: Operation
    why: str
    code: str = ""
    message: str = ""
    request_id: str = ""
    wait: float = 0.0
    """Seconds until it may be tried again."""


class Uncertain(_DeploymentEvent, frozen=True, kw_only=True, omit_defaults=True, tag="uncertain"):
    """The write may or may not have been executed; it must be read back."""

    operation: Operation
    why: str
    request_id: str = ""


class Confirmed(_DeploymentEvent, frozen=True, kw_only=True, omit_defaults=True, tag="confirmed"):
    """Read back: the write took effect (or a release already under way fits what is wanted)."""

    operation: Operation
    status: str = ""
    revision: int = 0
    created_at: str = ""


class Missing(_DeploymentEvent, frozen=True, kw_only=True, omit_defaults=True, tag="missing"):
    """Read back for the whole grace: the write did not take effect, so one more may be sent."""

    operation: Operation


class Undecided(_DeploymentEvent, frozen=True, kw_only=True, omit_defaults=True, tag="undecided"):
    """Why a deployment cannot start yet, when that changes (another operation under way, breaker open)."""

    why: str


class Deferred(_DeploymentEvent, frozen=True, kw_only=True, omit_defaults=True, tag="deferred"):
    """Set aside, or set aside for another reason. One that is under way stays so, and is not polled meanwhile."""

    cause: Deferral
    why: str
    phase: str = ""
    """Phase of the cluster, where that is the cause."""


class Requeued(_DeploymentEvent, frozen=True, kw_only=True, omit_defaults=True, tag="requeued"):
    """What had set the deployment aside is over."""


class Seen(_DeploymentEvent, frozen=True, kw_only=True, omit_defaults=True, tag="seen"):
    """A look showed a status that differs from the one before."""

    status: str
    revision: int = 0
    created_at: str = ""
    """`create_at`, where the poll showed the effect of our write."""


class StepCompleted(_DeploymentEvent, frozen=True, kw_only=True, omit_defaults=True, tag="settled"):
    """One operation of several is over (deleted, now create; upgrade failed, now roll back)."""

    operation: Operation
    status: str = ""
    revision: int = 0
    reason: str = ""
    confirmed: ConfirmedState | None = None
    """The release as the operation left it; None when no poll confirmed that."""


class Finished(_DeploymentEvent, frozen=True, kw_only=True, omit_defaults=True, tag="finished"):
    """The deployment has its outcome."""

    outcome: Outcome
    reason: str = ""
    status: str = ""
    """Last status seen."""
    revision: int = 0
    fingerprint: str = ""
    """What failures with the same cause have in common; empty on success."""
    confirmed: ConfirmedState | None = None
    """The release as our last write left it; None when no poll confirmed that."""


class RunStarted(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="run_started"):
    """The first event of every journal, or of a resumed part (`resumed`)."""

    run: str
    manifest: str
    pid: int = 0
    resumed: bool = False
    version: str = ""
    host: str = ""
    boot: str = ""
    """Id of the host's boot; empty where the system has none."""
    monotonic: float = 0.0
    """Monotonic seconds at `at`; compares only within one boot."""


class WaveStarted(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="wave_started"):
    """A wave may start its deployments."""

    wave: int


class WavePassed(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="wave_passed"):
    """All of a wave ended within its budget and its soak is over."""

    wave: int


class Halted(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="halted"):
    """Nothing more is started: a budget, a gate, a systemic failure, or an operator."""

    scope: str
    """`run`, `wave`, `release`, `systemic`, `deferred`, `operator`, `auth`, `deadline`, `fence`, `window`."""
    reason: str


class Paused(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="paused"):
    """An operator holds new writes."""


class Continued(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="continued"):
    """An operator lets new writes go on."""


class Stopping(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="stopping"):
    """A signal asked us to end."""

    signal: int


class Throttled(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="throttled"):
    """A cloud answered 429, or 503 as a limit does: its whole bucket waits."""

    cloud: str
    bucket: str
    """`writes` or `reads`."""
    wait: float
    rate: float
    """Calls a second from now on."""
    message: str = ""


class LimitShared(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="limit_shared"):
    """Other runs share the rate limits of a cloud's project from now on, or none does any more."""

    cloud: str
    runs: tuple[str, ...] = ()
    """Ids of the other runs."""


class Measured(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="measured"):
    """Counters of one cloud since this process took up the run. The last one of each part (RunStarted) counts."""

    cloud: str
    calls: dict[str, int] = {}
    """Attempts by kind of call (`create_release`, `list_releases`, ...)."""
    answers: dict[str, int] = {}
    """Attempts by verdict (`ok`, `throttled`, `ambiguous`, ...)."""
    peaks: dict[str, int] = {}
    """Most seen: `writes` and `reads` in any one window of their limit, `in_flight`, `per_cluster`, `connections`."""
    rates: dict[str, float] = {}
    """Learned pace of `writes` and `reads`, calls a second."""


class Warned(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="warned"):
    """Something an operator should know that changes nothing by itself."""

    message: str
    clock_step: Annotated[float, msgspec.Meta(ge=-LAST_TIME, le=LAST_TIME)] = 0.0
    """Seconds by which the wall clock was just set, forward or back; later events have times of the new setting."""


class RunFinished(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="run_finished"):
    """The last event of a run that ended by itself. Absent: it was killed."""

    exit_code: int
    reason: str = ""


DeploymentEvent: TypeAlias = (
    Planned
    | Intended
    | Accepted
    | Refused
    | Uncertain
    | Confirmed
    | Missing
    | Undecided
    | Deferred
    | Requeued
    | Seen
    | StepCompleted
    | Finished
)
RunEvent: TypeAlias = (
    RunStarted
    | WaveStarted
    | WavePassed
    | Halted
    | Paused
    | Continued
    | Stopping
    | Throttled
    | LimitShared
    | Measured
    | Warned
    | RunFinished
)
Event: TypeAlias = DeploymentEvent | RunEvent

"""What the engine needs from the outside, as narrow protocols. Adapters live in sibling packages; `app` joins them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from batch_deployer.model.api import Answer, Call
from batch_deployer.model.events import Event
from batch_deployer.rules.shared_limit import Membership, SlotReply, SlotRequest


class HeldBack(Exception):
    """Raised right before a request leaves: it must not leave. The text says why."""


class Api(Protocol):
    """One cloud's API."""

    async def call(self, call: Call, on_sent: Callable[[], None] | None = None) -> Answer:
        """Make exactly one attempt. Failures of network and server come back as an Answer, never as an exception.

        `on_sent` is called once, right before the request leaves, which may be long after: a connection has to be made, a
        token fetched. It is never called when nothing leaves, and nothing leaves when it raises HeldBack. Cancellation may leave a write half sent. Never retries,
        never follows a redirect, never waits for a limit.
        """
        ...

    async def renew(self, credential: int) -> None:
        """Get a fresh credential because generation `credential` was refused; single flight, a no-op if already newer.

        Raises AuthFailed when the identity service refuses for good, or when this credential cannot be renewed
        (a fixed token, an access key).
        """
        ...

    async def close(self) -> None:
        """Release connections."""
        ...


class Clock(Protocol):
    """Time, for everything that is not a pure rule."""

    def monotonic(self) -> float:
        """Seconds, never going back; same base as the running event loop's time."""
        ...

    def wall(self) -> float:
        """Seconds since the epoch."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...

    def should_yield(self) -> bool:
        """Whether this turn of the event loop has lasted so long that what is left to do had better wait for the next."""
        ...


class Journal(Protocol):
    """Append-only events of one run."""

    async def record(self, *events: Event) -> None:
        """Append, and return only once they would survive a crash. Raises JournalError; then nothing may be sent."""
        ...

    def note(self, *events: Event) -> None:
        """Append with the next commit, without waiting; order with `record` is kept. Never raises."""
        ...

    async def flush(self) -> None:
        """Wait until all that was noted would survive a crash. Raises JournalError."""
        ...

    def history(self) -> Sequence[Event]:
        """All events so far, in order."""
        ...


class Fence(Protocol):
    """Asked right before each write leaves."""

    def may_write(self) -> bool:
        """Whether nobody else can have taken over before a write sent now must have ended."""
        ...

    def overtaken(self) -> bool:
        """Whether somebody else has taken over for certain, so that nothing here is ours any more. Cheap while all is well."""
        ...

    @property
    def trouble(self) -> str:
        """Why the lease could not be renewed at the last attempt; empty when it could."""
        ...

    def missing(self) -> str:
        """What is gone without which the lock cannot be held, such as its file; empty while all is well. Cheap."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchanged:
    """One exchange with the other runs of a project."""

    membership: Membership
    replies: Mapping[str, SlotReply]
    """By bucket."""
    renewed_at: float
    """When the run was renewed, monotonic seconds; it counts as taking part for some time from then on."""
    rejoined: bool = False
    """Whether it had been put out meanwhile, so that what was granted before is void."""


class SharedLimits(Protocol):
    """The rate limits of one project, which several runs share: one that is alone uses its own limiter."""

    async def exchange(self, requests: Mapping[str, SlotRequest], *, sharing: bool) -> Exchanged:
        """Renew this run, tell what its calls did, and get slots; by bucket (`reads`, `writes`).

        `sharing`: the requests tell all calls that count, and slots are used from now on. Raises StateLocked when others
        keep the store busy, and JournalError when it cannot be used; then nothing was told.
        """
        ...

    async def leave(self, requests: Mapping[str, SlotRequest]) -> None:
        """Tell the last calls and take this run out. Never raises."""
        ...


class Listener(Protocol):
    """Hears every event, after it was handed to the journal. Must not raise and must not wait."""

    def on_event(self, event: Event) -> None:
        """Take note."""
        ...


class Command(StrEnum):
    """What an operator asks of a live run."""

    PAUSE = "pause"
    CONTINUE = "continue"
    HALT = "halt"
    SKIP = "skip"
    """Set deployments aside; comes as a `Selection`."""
    RETRY = "retry"
    """Take deployments up again that were set aside; comes as a `Selection`."""


@dataclass(frozen=True, slots=True)
class Selection:
    """A command to some deployments of a live run."""

    command: Command
    glob: str
    """As `--limit` takes it."""


class Control(Protocol):
    """Commands from another shell."""

    def poll(self) -> Command | Selection | None:
        """The oldest command not yet taken, if any. Called about once a second."""
        ...


class Secrets(Protocol):
    """Plain texts behind `${secret:...}`."""

    def __call__(self, name: str) -> str:
        """The secret `env:NAME` or `file:PATH`. Raises InputError when it is not there."""
        ...

"""The rate limits that this run shares with other runs of its state folder, by the project that each login leads to."""

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from urllib.parse import urlsplit

from batch_deployer.errors import JournalError, StateLocked
from batch_deployer.plan.plan import CloudSpec
from batch_deployer.ports import Clock
from batch_deployer.settings import Rate
from batch_deployer.state.shared_limits import StoredLimits
from batch_deployer.state.state_dir import StateDir

_PAUSE_SECONDS = 0.1
_LOCKED_PAUSE_SECONDS = 0.5


def scope_of(cloud: CloudSpec, endpoint: str, project_id: str) -> str:
    """What the provider of a cloud that is logged in to throttles as one, however a manifest calls it."""
    parts = urlsplit(endpoint)
    port = "" if parts.port in (None, {"https": 443, "http": 80}.get(parts.scheme)) else f":{parts.port}"
    project = project_id or cloud.project_id or cloud.project
    return f"{parts.scheme}://{parts.hostname}{port}{parts.path.rstrip('/')}|{project}"


@contextlib.asynccontextmanager
async def shared_limits(
    state: StateDir,
    clouds: Mapping[str, CloudSpec],
    run: str,
    *,
    scopes: Mapping[str, str],
    clock: Clock,
    warn: Callable[[str], None],
) -> AsyncIterator[Mapping[str, StoredLimits]]:
    """Take part in the limits of the projects of some clouds, and leave them at the end; by scope.

    Waits until the others share theirs, and while the file is locked. Where it cannot be used, limits are not shared.
    """
    found: dict[str, StoredLimits] = {}
    try:
        for scope, rates in _rates(clouds, scopes).items():
            found[scope] = StoredLimits(state.path / "limits.db", scope, run)
            try:
                await _join(found[scope], rates, clock, warn)
            except JournalError as error:
                warn(f"rate limits are not shared with other runs of this state folder: {error}")
                await found.pop(scope).close()
        yield found
    finally:
        for each in found.values():
            await each.close()


def _rates(clouds: Mapping[str, CloudSpec], scopes: Mapping[str, str]) -> Mapping[str, Mapping[str, Rate]]:
    """Scope to bucket to the strictest rate of its clouds."""
    strictest: dict[str, dict[str, Rate]] = {}
    for name, cloud in clouds.items():
        rates = strictest.setdefault(scopes[name], {})
        for bucket, rate in (("writes", cloud.limits.writes), ("reads", cloud.limits.reads)):
            rates[bucket] = min(rate, rates.get(bucket, rate), key=lambda each: each.per_second)
    return strictest


async def _join(limits: StoredLimits, rates: Mapping[str, Rate], clock: Clock, warn: Callable[[str], None]) -> None:
    told = False
    while True:
        try:
            membership = await limits.join(rates)
        except StateLocked as error:
            if not told:
                warn(f"the rate limits that runs share cannot be read: {error}; it is waited for")
                told = True
            await clock.sleep(_LOCKED_PAUSE_SECONDS)
            continue
        if membership.ready:
            return
        await clock.sleep(_PAUSE_SECONDS)

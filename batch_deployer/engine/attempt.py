"""What every answer means for its cloud and cluster: buckets, breaker, budget, credentials. Reads and writes share it."""

from batch_deployer.engine.context import RunContext
from batch_deployer.engine.jobs import Job, PollJob
from batch_deployer.engine.scheduler import CloudScheduler
from batch_deployer.errors import AuthFailed, CloudUnreachable
from batch_deployer.model import events as e
from batch_deployer.model.api import Answer, Call, Sent
from batch_deployer.ports import HeldBack
from batch_deployer.rules.responses import Verdict, describe, judge, named_wait

SERVICE_UNAVAILABLE = 503
FRESH_TRIES = 2
"""Fresh credentials in a row that may be refused without ever having worked."""


async def attempt(run: RunContext, scheduler: CloudScheduler, job: Job, call: Call) -> tuple[Answer, Verdict, float]:
    """Make one attempt at a call whose slot is reserved; returns the answer, its meaning, and when it departed."""
    bucket = scheduler.writes if call.writes else scheduler.reads
    departed, nth = run.now(), 0

    def on_sent() -> None:
        nonlocal departed, nth
        departed = run.now()
        if not bucket.may_depart(departed):
            raise HeldBack("the slot of its rate limit was given to another run before it was sent")
        held_up = bucket.waits_for_departure
        nth = bucket.depart(job.slot, departed)
        if held_up:
            run.on_room()

    scheduler.kinds[call.kind] += 1
    answer = await run.ports.apis[scheduler.cloud.name].call(call, on_sent)
    now = run.now()
    if not nth:
        bucket.abandon(job.slot, now)
    elif answer.status:
        bucket.answered(job.slot, departed, now)
    if answer.server_time is not None:
        scheduler.ahead = answer.server_time - now
    verdict = judge(call, answer)
    if verdict not in (Verdict.TRANSIENT, Verdict.AMBIGUOUS):
        scheduler.health.answered_at = now
    overload = _is_overload(scheduler, call, answer, departed)
    job.limited = answer.status == SERVICE_UNAVAILABLE and scheduler.overload.found
    scheduler.verdicts[verdict] += 1
    if verdict is Verdict.THROTTLED or overload:
        _throttle(run, scheduler, call, answer, departed, nth=nth)
    else:
        if nth:
            bucket.admitted(now, departed)
        if answer.status:
            scheduler.concurrency.answered(now - departed)
        elif answer.sent is Sent.MAYBE and not isinstance(job, PollJob):
            # A look that hangs tells of its cluster; it is the breaker's business, not the whole cloud's.
            scheduler.concurrency.timed_out()
    if answer.status not in (0, 401) and answer.credential > scheduler.health.refused:
        scheduler.health.refusals = 0
    if verdict is Verdict.OK:
        scheduler.budget.earn()
    elif verdict is Verdict.EXPIRED:
        verdict = await _renew(run, scheduler, answer)
    if verdict is Verdict.AUTH:
        run.halt("auth", f"cloud {scheduler.cloud.name} refuses the credential: {describe(answer)}")
    await run.yield_to_loop()
    return answer, verdict, departed


def _is_overload(scheduler: CloudScheduler, call: Call, answer: Answer, departed: float) -> bool:
    """Whether a 503 comes from a limit. What the call did is unknown all the same, so its verdict stays."""
    detector, kind = scheduler.overload, "writes" if call.writes else "reads"
    cluster_id = getattr(call, "cluster_id", "")
    if answer.status == SERVICE_UNAVAILABLE:
        return detector.is_limit(kind, cluster_id, departed, asks_to_wait=answer.retry_after is not None)
    if 0 < answer.status < 500:
        detector.admitted(kind, cluster_id, departed)
    return False


def _throttle(
    run: RunContext, scheduler: CloudScheduler, call: Call, answer: Answer, departed: float, *, nth: int
) -> None:
    bucket, name = (scheduler.writes, "writes") if call.writes else (scheduler.reads, "reads")
    named = named_wait(answer)
    default, known = run.settings.retry.throttle, answer.status == SERVICE_UNAVAILABLE
    wait = bucket.pause(default, departed, known=known) if named is None else named
    # A little later than asked, and not at the same instant as every other client of this account.
    wait += run.ports.draw() * min(5.0, 0.1 * wait)
    bucket.throttled(run.now(), wait, departed, nth, named=named is not None, known=known)
    run.announce(
        e.Throttled(
            at=run.wall(),
            cloud=scheduler.cloud.name,
            bucket=name,
            wait=wait,
            rate=bucket.current_rate,
            message=answer.message or describe(answer),
        )
    )


async def _renew(run: RunContext, scheduler: CloudScheduler, answer: Answer) -> Verdict:
    """Get a fresh credential, single flight; whoever was refused may then try again.

    One that is refused although it is fresh may have been revoked by chance; when the next is too, it is no chance.
    """
    if answer.credential > scheduler.health.refused:
        scheduler.health.refused = answer.credential
        scheduler.health.refusals += 1
    if scheduler.health.refusals > FRESH_TRIES:
        run.halt("auth", f"cloud {scheduler.cloud.name} refuses even a fresh credential: {describe(answer)}")
        return Verdict.AUTH
    try:
        await run.ports.apis[scheduler.cloud.name].renew(answer.credential)
    except AuthFailed as error:
        run.halt("auth", str(error))
        return Verdict.AUTH
    except CloudUnreachable:
        return Verdict.TRANSIENT  # a 401 was certainly not executed; try again when the identity service is back
    return Verdict.EXPIRED

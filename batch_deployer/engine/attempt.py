"""What every answer means for its cloud and cluster: buckets, breaker, budget, credentials. Reads and writes share it."""

from batch_deployer.engine.context import Run
from batch_deployer.engine.jobs import Job, LookJob
from batch_deployer.engine.scheduler import Board
from batch_deployer.errors import AuthFailed, CloudUnreachable
from batch_deployer.model import events as e
from batch_deployer.model.api import Answer, Call, Sent
from batch_deployer.rules.responses import Verdict, describe, judge, named_wait

SERVICE_UNAVAILABLE = 503
FRESH_TRIES = 2
"""Fresh credentials in a row that may be refused without ever having worked."""


async def attempt(run: Run, board: Board, job: Job, call: Call) -> tuple[Answer, Verdict, float]:
    """Make one attempt at a call whose slot is reserved; returns the answer, its meaning, and when it departed."""
    bucket = board.writes if call.writes else board.reads
    departed, nth = run.now(), 0

    def leaving() -> None:
        nonlocal departed, nth
        departed = run.now()
        held_up = bucket.waits_for_departure
        nth = bucket.depart(job.slot, departed)
        if held_up:
            run.on_room()

    board.kinds[call.kind] += 1
    answer = await run.ports.apis[board.cloud.name].call(call, leaving)
    now = run.now()
    if not nth:
        bucket.abandon(job.slot, now)
    elif answer.status:
        bucket.answered(job.slot, departed, now)
    if answer.server_time is not None:
        board.ahead = answer.server_time - now
    verdict = judge(call, answer)
    if verdict not in (Verdict.TRANSIENT, Verdict.AMBIGUOUS):
        board.health.answered_at = now
    overload = _is_overload(board, call, answer, departed)
    job.limited = answer.status == SERVICE_UNAVAILABLE and board.overload.found
    board.verdicts[verdict] += 1
    if verdict is Verdict.THROTTLED or overload:
        _throttle(run, board, call, answer, departed, nth=nth)
    else:
        if nth:
            bucket.passed(now, departed)
        if answer.status:
            board.concurrency.answered(now - departed)
        elif answer.sent is Sent.MAYBE and not isinstance(job, LookJob):
            # A look that hangs tells of its cluster; it is the breaker's business, not the whole cloud's.
            board.concurrency.timed_out()
    if answer.status not in (0, 401) and answer.credential > board.health.refused:
        board.health.refusals = 0
    if verdict is Verdict.OK:
        board.budget.earn()
    elif verdict is Verdict.EXPIRED:
        verdict = await _renew(run, board, answer)
    if verdict is Verdict.AUTH:
        run.halt("auth", f"cloud {board.cloud.name} refuses the credential: {describe(answer)}")
    await run.give_way()
    return answer, verdict, departed


def _is_overload(board: Board, call: Call, answer: Answer, departed: float) -> bool:
    """Whether a 503 comes from a limit. What the call did is unknown all the same, so its verdict stays."""
    detector, kind = board.overload, "writes" if call.writes else "reads"
    cluster_id = getattr(call, "cluster_id", "")
    if answer.status == SERVICE_UNAVAILABLE:
        return detector.is_limit(kind, cluster_id, departed, asks_to_wait=answer.retry_after is not None)
    if 0 < answer.status < 500:
        detector.admitted(kind, cluster_id, departed)
    return False


def _throttle(run: Run, board: Board, call: Call, answer: Answer, departed: float, *, nth: int) -> None:
    bucket, name = (board.writes, "writes") if call.writes else (board.reads, "reads")
    named = named_wait(answer)
    default, known = run.settings.retry.throttle, answer.status == SERVICE_UNAVAILABLE
    wait = bucket.pause(default, departed, known=known) if named is None else named
    # A little later than asked, and not at the same instant as every other client of this account.
    wait += run.ports.draw() * min(5.0, 0.1 * wait)
    bucket.throttled(run.now(), wait, departed, nth, named=named is not None, known=known)
    run.announce(
        e.Throttled(
            at=run.wall(),
            cloud=board.cloud.name,
            bucket=name,
            wait=wait,
            rate=bucket.pace,
            message=answer.message or describe(answer),
        )
    )


async def _renew(run: Run, board: Board, answer: Answer) -> Verdict:
    """Get a fresh credential, single flight; whoever was refused may then try again.

    One that is refused although it is fresh may have been revoked by chance; when the next is too, it is no chance.
    """
    if answer.credential > board.health.refused:
        board.health.refused = answer.credential
        board.health.refusals += 1
    if board.health.refusals > FRESH_TRIES:
        run.halt("auth", f"cloud {board.cloud.name} refuses even a fresh credential: {describe(answer)}")
        return Verdict.AUTH
    try:
        await run.ports.apis[board.cloud.name].renew(answer.credential)
    except AuthFailed as error:
        run.halt("auth", str(error))
        return Verdict.AUTH
    except CloudUnreachable:
        return Verdict.TRANSIENT  # a 401 was certainly not executed; try again when the identity service is back
    return Verdict.EXPIRED

"""The bad answer that a fault rule puts in place of the right one."""

from batch_deployer.settings import Rate
from batch_deployer.simulator import replies
from batch_deployer.simulator.chaos import Subject
from batch_deployer.simulator.fault_rules import Effect, FaultRule
from batch_deployer.simulator.replies import CUT, Reply


def bad_answer(rule: FaultRule, subject: Subject, rate: Rate) -> Reply | None:
    """What the caller gets; None when the rule spoils nothing but the time. `rate`: the limit named in a 429."""
    match rule.effect:
        case Effect.ERROR:
            return replies.server_error(rule.status or 500)
        case Effect.HTML:
            return replies.html(rule.status or 502)
        case Effect.RESET | Effect.TIMEOUT:
            return CUT
        case Effect.THROTTLE:
            return replies.throttled(rate, None)
        case Effect.LOCKED:
            return replies.locked()
        case Effect.EXPIRE_TOKEN:
            return replies.token_expired()
        case Effect.FORBIDDEN:
            return replies.forbidden(f"cluster {subject.cluster_name or subject.cluster_id}")
        case Effect.UNREACHABLE:
            return replies.unreachable(subject.cluster_name or subject.cluster_id)
        case _:
            return None

"""The bad answer that a fault rule puts in place of the right one."""

from batch_deployer.settings import Rate
from batch_deployer.simulator.faults.injection import Subject
from batch_deployer.simulator.faults.rules import Effect, FaultRule
from batch_deployer.simulator.service import responses
from batch_deployer.simulator.service.responses import CUT, SimResponse


def bad_answer(rule: FaultRule, subject: Subject, rate: Rate) -> SimResponse | None:
    """What the caller gets; None when the rule spoils nothing but the time. `rate`: the limit named in a 429."""
    match rule.effect:
        case Effect.ERROR:
            return responses.server_error(rule.status or 500)
        case Effect.HTML:
            return responses.html(rule.status or 502)
        case Effect.RESET | Effect.TIMEOUT:
            return CUT
        case Effect.THROTTLE:
            return responses.throttled(rate, None)
        case Effect.LOCKED:
            return responses.locked()
        case Effect.EXPIRE_TOKEN:
            return responses.token_expired()
        case Effect.FORBIDDEN:
            return responses.forbidden(f"cluster {subject.cluster_name or subject.cluster_id}")
        case Effect.UNREACHABLE:
            return responses.unreachable(subject.cluster_name or subject.cluster_id)
        case _:
            return None

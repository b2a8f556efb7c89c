"""Limits that are lower than the configured ones, answer 429 or 503, and name no time to wait."""

import asyncio

import pytest

from batch_deployer.model import events as e
from batch_deployer.model.api import Answer, Sent
from batch_deployer.settings import IntOrPercent, Limits, Rate, RetrySettings, Settings

REAL = Rate(2, 1.0)
MORE = Limits(writes=Rate(10, 1.0), reads=Rate(100, 1.0), in_flight=IntOrPercent(1000))


class Limiter:
    """A leaky bucket, as nginx has it, before the writes (or all calls) of a cloud."""

    def __init__(self, inner, *, status, retry_after=None, gap=0.5, reads=False, burst=0):
        self.inner, self.status, self.retry_after, self.gap, self.reads = inner, status, retry_after, gap, reads
        self.burst = burst
        self.excess, self.admitted_at = 0.0, 0.0
        self.refused = 0
        self.sent = 0

    async def call(self, call, on_sent):
        now = asyncio.get_running_loop().time()
        if not (call.writes or self.reads):
            return await self.inner.call(call, on_sent)
        self.sent += 1
        excess = max(0.0, self.excess - (now - self.admitted_at) / self.gap)
        if excess <= self.burst:
            self.excess, self.admitted_at = excess + 1.0, now
            return await self.inner.call(call, on_sent)
        on_sent()
        await asyncio.sleep(0.01)
        self.refused += 1
        return Answer(status=self.status, sent=Sent.YES, shape="G", message="", retry_after=self.retry_after)

    def __getattr__(self, name):
        return getattr(self.inner, name)


def play(make, act, deployments=60, *, settings=None, limits=MORE, **how):
    made = []

    def wrapped(inner, _):
        made.append(Limiter(inner, **how))
        return made[0]

    plan = make.plan(deployments, limits=limits, settings=settings or Settings())
    show = act(plan, api=wrapped)
    return plan, show, made[0]


@pytest.mark.parametrize(("status", "retry_after"), [(429, None), (503, None), (503, 3.0), (429, 3.0)])
def test_a_limit_five_times_lower_is_learned_and_little_is_sent_in_vain(make, act, status, retry_after):
    plan, show, limiter = play(make, act, status=status, retry_after=retry_after)
    assert make.tally(show, plan) == {"deployed": 60}
    assert show.fleet.ledger.duplicates == []
    assert limiter.refused <= (35 if retry_after else 25)
    baseline = act(
        make.plan(60, limits=Limits(writes=REAL, reads=Rate(100, 1.0), in_flight=IntOrPercent(1000)))
    ).seconds
    bound = 60 / 2.0
    first_pause = 66.0 if (status, retry_after) == (429, None) else 0.0
    read_back = 65.0 if status == 503 else 0.0
    named_pauses = 3.3 * limiter.refused if retry_after else 0.0
    assert show.seconds <= named_pauses + baseline + first_pause + 2 * read_back + bound


def test_after_the_second_bare_refusal_the_pauses_are_short_and_grow(make, act):
    _, show, _ = play(make, act, deployments=30, status=429, gap=20.0)
    waits = [event.wait for event in show.of(e.Throttled)]
    assert waits[0] >= 60.0
    assert waits[1] < 2.0
    growing = waits[1:6]
    assert growing == sorted(growing)


@pytest.mark.parametrize("status", [429, 503])
def test_reads_are_paced_as_writes_are(make, act, status):
    limits = Limits(writes=Rate(10, 1.0), reads=Rate(50, 1.0), in_flight=IntOrPercent(1000))
    plan, show, limiter = play(make, act, deployments=20, limits=limits, status=status, gap=0.1, reads=True, burst=5)
    assert make.tally(show, plan) == {"deployed": 20}
    assert limiter.refused <= 0.25 * limiter.sent


def test_a_cloud_that_answers_503_to_everything_is_still_given_up(make, act):
    settings = Settings(retry=RetrySettings(give_up_after=120.0))
    _, show, _ = play(make, act, deployments=10, settings=settings, status=503, gap=1e9, reads=True)
    assert show.ending.exit_code == 1
    assert show.seconds <= 400.0


@pytest.mark.parametrize("retry_after", [None, 5.0])
def test_writes_that_are_always_refused_with_503_end(make, act, retry_after):
    settings = Settings(retry=RetrySettings(give_up_after=120.0))
    _, show, limiter = play(make, act, deployments=4, settings=settings, status=503, gap=1e9, retry_after=retry_after)
    assert show.ending.exit_code == 4  # the same failure everywhere
    assert limiter.sent <= 4 * 25


def test_a_retry_after_a_read_back_spends_the_retry_budget(make, act):
    """Without a budget the next write of what was read back as lost waits for the longest pause."""
    settings = Settings(retry=RetrySettings(budget=0.0, budget_ratio=0.0, cap=45.0))
    rule = make.rule("error", status=504, attempts=(1,), calls=frozenset({"create_release"}))
    times = {}
    for name, chosen in (("none", settings), ("some", Settings())):
        show = act(make.plan(1, settings=chosen), faults=[rule])
        first, second = (called.at for called in show.sent("create_release"))
        times[name] = second - first
    assert times["none"] >= times["some"] + 25.0

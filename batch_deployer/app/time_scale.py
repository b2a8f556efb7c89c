"""A plan as it must be where time passes faster: for a simulated cloud whose installs take a fraction of their time. Pure."""

import math
from dataclasses import replace

from batch_deployer.plan.plan import Plan
from batch_deployer.settings import Limits, Rate, RetrySettings, Settings

_MOST_WRITES = 20.0
_MOST_READS = 60.0
"""Calls a second up to which a limit is raised. More would only measure how fast this machine is."""


def accelerated(plan: Plan, speed: float) -> Plan:
    """Divide every duration of the plan by `speed` and raise its limits as much, within what one machine can serve.

    Bounds of network calls stay: loopback does not become faster. So does whatever protects against wrong clocks.
    """
    if speed == 1:
        return plan
    specs = {
        id(each.release): replace(each.release, timeout=max(5.0, each.release.timeout / speed))
        for each in plan.deployments
    }
    return replace(
        plan,
        clouds={name: replace(cloud, limits=_limits(cloud.limits, speed)) for name, cloud in plan.clouds.items()},
        deployments=tuple(replace(each, release=specs[id(each.release)]) for each in plan.deployments),
        waves=tuple(replace(wave, soak=wave.soak / speed) for wave in plan.waves),
        settings=_settings(plan.settings, speed),
    )


def _limits(limits: Limits, speed: float) -> Limits:
    return replace(
        limits,
        writes=_rate(limits.writes, speed, _MOST_WRITES),
        reads=_rate(limits.reads, speed, _MOST_READS),
    )


def _rate(rate: Rate, speed: float, most: float) -> Rate:
    """The rate in whole calls and whole seconds, so that it can be written as text."""
    per_second = max(rate.per_second, min(rate.per_second * speed, most))
    period = math.ceil(max(1.0, rate.period / speed))
    return Rate(max(1, math.floor(per_second * period + 1e-9)), float(period))


def _settings(settings: Settings, speed: float) -> Settings:
    retry, poll, reconcile = settings.retry, settings.poll, settings.reconcile
    return replace(
        settings,
        retry=_retry(retry, speed),
        poll=replace(
            poll,
            initial_delay=poll.initial_delay / speed,
            min_interval=max(0.1, poll.min_interval / speed),
            max_interval=max(0.5, poll.max_interval / speed),
        ),
        reconcile=replace(
            reconcile,
            absence_grace=max(1.0, reconcile.absence_grace / speed),
            max_staleness=max(10.0, reconcile.max_staleness / speed),
        ),
        deadline=None if settings.deadline is None else settings.deadline / speed,
    )


def _retry(retry: RetrySettings, speed: float) -> RetrySettings:
    return replace(
        retry,
        base=max(0.05, retry.base / speed),
        cap=max(1.0, retry.cap / speed),
        give_up_after=max(5.0, retry.give_up_after / speed),
        locked=max(0.1, retry.locked / speed),
        throttle=max(1.0, retry.throttle / speed),
    )

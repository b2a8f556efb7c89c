"""The system's clock, as far as it knows the loop's turns."""

import asyncio
import time

import pytest

from batch_deployer.clock.system import SystemClock
from batch_deployer.clock.virtual import run_virtually, virtual_clock


def busy(seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


async def asked(clock):
    """What it says at the start of a turn, late in the same turn, and at the start of the next one."""
    first = clock.should_yield()
    busy(0.01)
    second = clock.should_yield()
    await asyncio.sleep(0)
    return first, second, clock.should_yield()


def test_a_turn_that_has_lasted_long_is_crowded_and_the_next_one_is_not():
    assert asyncio.run(asked(SystemClock())) == (False, True, False)


def test_so_it_is_on_uvloop():
    uvloop = pytest.importorskip("uvloop")
    assert uvloop.run(asked(SystemClock())) == (False, True, False)


def test_a_virtual_turn_takes_no_time_whatever_the_machine_needs_for_it():
    async def scenario():
        return await asked(virtual_clock())

    assert run_virtually(scenario()) == (False, False, False)

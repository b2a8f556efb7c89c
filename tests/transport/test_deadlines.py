"""Bounds of time for many blocks: as `asyncio.timeout` does it, with one timer. On virtual time."""

import asyncio

import anyio
import pytest

from batch_deployer.clock.virtual import run_virtually
from batch_deployer.transport.deadlines import Deadlines


async def outcome_of(deadlines, bound, takes):
    """How a block of so many seconds ends, and when."""
    try:
        with deadlines.within(bound):
            await asyncio.sleep(takes)
    except TimeoutError:
        return "late", round(asyncio.get_running_loop().time(), 3)
    return "done", round(asyncio.get_running_loop().time(), 3)


def outcomes(*blocks):
    async def scenario():
        deadlines = Deadlines()
        return await asyncio.gather(*(outcome_of(deadlines, *block) for block in blocks))

    return run_virtually(scenario())


def test_a_block_that_takes_too_long_is_ended_at_its_bound():
    assert outcomes((5.0, 60.0)) == [("late", 5.0)]


def test_a_block_that_ends_in_time_is_left_alone():
    assert outcomes((5.0, 4.9)) == [("done", 4.9)]


def test_each_block_has_its_own_bound_whichever_began_first():
    assert outcomes((30.0, 60.0), (5.0, 60.0), (10.0, 1.0), (7.0, 60.0)) == [
        ("late", 30.0),
        ("late", 5.0),
        ("done", 1.0),
        ("late", 7.0),
    ]


def test_a_block_without_a_bound_never_ends_by_itself():
    assert outcomes((float("inf"), 10_000.0)) == [("done", 10_000.0)]


def test_a_bound_that_has_passed_already_ends_the_block_at_its_first_wait():
    assert outcomes((0.0, 1.0)) == [("late", 0.0)]


def test_a_thousand_blocks_in_a_row_need_one_timer(monkeypatch):
    async def scenario():
        loop, set_timers = asyncio.get_running_loop(), []
        call_later = loop.call_later
        deadlines = Deadlines()
        monkeypatch.setattr(loop, "call_later", lambda *given: set_timers.append(given) or call_later(*given))
        for _ in range(1000):
            with deadlines.within(30.0):
                pass
        return len(set_timers)

    assert run_virtually(scenario()) == 1


def test_who_cancels_the_task_is_heard_and_not_mistaken_for_the_bound():
    async def scenario():
        deadlines = Deadlines()
        task = asyncio.ensure_future(outcome_of(deadlines, 5.0, 60.0))
        await asyncio.sleep(1.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run_virtually(scenario())


def test_a_cancellation_at_the_very_moment_of_the_bound_is_still_heard():
    async def scenario():
        deadlines = Deadlines()
        task = asyncio.ensure_future(outcome_of(deadlines, 5.0, 60.0))
        asyncio.get_running_loop().call_later(5.0, task.cancel)
        with pytest.raises(asyncio.CancelledError):
            await task

    run_virtually(scenario())


def test_an_outer_bound_ends_through_an_inner_one_as_its_own():
    async def scenario():
        deadlines, inner = Deadlines(), []

        async def outer():
            with deadlines.within(1.0):
                inner.append(await outcome_of(deadlines, 5.0, 60.0))

        with pytest.raises(TimeoutError):
            await outer()
        return inner, asyncio.get_running_loop().time()

    assert run_virtually(scenario()) == ([], pytest.approx(1.0, abs=0.01))


def test_an_error_of_the_block_passes_through():
    async def scenario():
        with Deadlines().within(5.0):
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        run_virtually(scenario())


def test_a_scope_that_is_cancelled_around_a_bound_ends_quietly():
    async def scenario():
        deadlines = Deadlines()
        with anyio.move_on_after(1.0) as scope:
            with deadlines.within(5.0):
                await anyio.sleep(60.0)
        return scope.cancelled_caught, asyncio.current_task().cancelling()

    assert run_virtually(scenario()) == (True, 0)


def test_a_bound_is_for_tasks_only():
    told = []

    def enter(deadlines):
        with pytest.raises(RuntimeError) as failure, deadlines.within(1.0):
            pass
        told.append(str(failure.value))

    async def scenario():
        asyncio.get_running_loop().call_soon(enter, Deadlines())
        await asyncio.sleep(0)

    run_virtually(scenario())
    assert told == ["only a task can be bounded in time"]

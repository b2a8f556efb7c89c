"""Virtual time: hours pass at once, in one order, and a standstill is an error."""

import asyncio
import random
import time

import anyio
import pytest

from batch_deployer.clock.system import SystemClock
from batch_deployer.clock.virtual import EPOCH, run_virtually, virtual_clock


def test_a_year_passes_at_once():
    async def main():
        clock = virtual_clock()
        await clock.sleep(365 * 86400.0)
        return clock.monotonic()

    assert run_virtually(main()) == pytest.approx(365 * 86400.0)


def test_time_starts_at_zero_and_stands_still_while_there_is_work():
    async def main():
        clock = virtual_clock()
        times = [clock.monotonic()]
        for _ in range(100):
            await asyncio.sleep(0)
            sum(range(1000))
            times.append(clock.monotonic())
        return times

    assert run_virtually(main()) == [0.0] * 101


def test_wall_time_moves_with_virtual_time():
    async def main():
        clock = virtual_clock()
        before = clock.wall()
        await clock.sleep(90.0)
        return before, clock.wall(), virtual_clock(1000.0).wall()

    assert run_virtually(main()) == pytest.approx((EPOCH, EPOCH + 90.0, 1090.0))


def story(seed):
    """What many tasks with waits of their own did, in order."""

    async def main():
        clock, told, rng = virtual_clock(), [], random.Random(seed)

        async def one(name):
            for _ in range(5):
                await clock.sleep(rng.choice((0.0, 1.0, 1.0, 2.5, 3600.0)))
                told.append((round(clock.monotonic(), 6), name))

        async with anyio.create_task_group() as group:
            for name in range(30):
                group.start_soon(one, name)
        return told

    return run_virtually(main())


@pytest.mark.parametrize("seed", range(3))
def test_the_same_program_does_the_same_in_the_same_order(seed):
    assert story(seed) == story(seed)


def test_things_happen_in_the_order_of_their_times():
    times = [at for at, _ in story(1)]
    assert times == sorted(times)
    assert len(times) == 150


def test_a_timeout_fires_at_its_virtual_time():
    async def main():
        with anyio.move_on_after(3600.0) as scope:
            await anyio.sleep(7200.0)
        return scope.cancelled_caught, asyncio.get_running_loop().time()

    assert run_virtually(main()) == (True, pytest.approx(3600.0))


def test_when_every_task_waits_and_no_timer_is_set_that_is_an_error():
    async def main():
        await anyio.Event().wait()

    with pytest.raises(RuntimeError, match="deadlock on the virtual clock: every task waits, and no timer is set"):
        run_virtually(main())


def test_each_run_has_a_clock_of_its_own_and_leaves_no_loop_behind():
    async def main():
        await asyncio.sleep(10.0)
        return asyncio.get_running_loop()

    first, second = run_virtually(main()), run_virtually(main())
    assert first is not second
    assert first.is_closed()
    assert (first.time(), second.time()) == (pytest.approx(10.0), pytest.approx(10.0))


def test_an_error_inside_comes_out():
    async def main():
        await asyncio.sleep(1.0)
        raise LookupError("inside")

    with pytest.raises(LookupError, match="inside"):
        run_virtually(main())


def test_the_systems_clock_tells_the_loops_time_and_the_walls():
    async def main():
        clock, loop = SystemClock(), asyncio.get_running_loop()
        loops = (loop.time(), clock.monotonic(), loop.time())
        walls = (time.time(), clock.wall(), time.time())
        await clock.sleep(0.0)
        return loops, walls

    for told in asyncio.run(main()):
        assert list(told) == sorted(told)

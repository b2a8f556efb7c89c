import asyncio
import contextlib
import itertools

import pytest
from aiohttp import web

from batch_deployer.errors import AuthFailed, CloudUnreachable, InputError
from batch_deployer.model.api import ListCharts
from batch_deployer.transport.auth.credential import FixedToken
from batch_deployer.transport.auth.credentials import LoginRefused, RenewedToken, Token, Unavailable


class Script:
    """A login that gives one prepared result after the other."""

    where = "cloud 'c': login at https://iam"

    def __init__(self, *results):
        self.results = list(results)
        self.tries = 0

    async def __call__(self):
        self.tries += 1
        return self.results.pop(0)


def credential(clock, *results):
    script = Script(*results)
    return RenewedToken(script, clock=clock, timeout=30), script


def test_fifty_concurrent_refusals_cost_one_login_and_every_call_succeeds_after(serve, api_at, clock):
    token, script = credential(clock, Token(value="old"), Token(value="new"))

    async def handler(request):
        good = request.headers["X-Auth-Token"] == "new"
        return web.json_response([] if good else {"error_code": "IAM.0066"}, status=200 if good else 401)

    async def one(api):
        first = await api.call(ListCharts())
        await api.renew(first.credential)
        second = await api.call(ListCharts())
        return first.status, first.credential, second.status, second.credential

    async def scenario():
        await token.start()
        async with serve(handler) as url, api_at(url, credential=token, connections=50) as api:
            return await asyncio.gather(*(one(api) for _ in range(50)))

    assert asyncio.run(scenario()) == [(401, 1, 200, 2)] * 50
    assert script.tries == 2


@pytest.mark.parametrize(("lifetime", "early"), [(86400.0, 2400.0), (3600.0, 360.0)])
def test_a_token_is_renewed_before_it_ends(serve, api_at, clock, lifetime, early):
    token, script = credential(clock, Token(value="one", lifetime=lifetime), Token(value="two"))
    seen = []

    async def handler(request):
        seen.append(request.headers["X-Auth-Token"])
        return web.json_response([])

    async def scenario():
        await token.start()
        async with serve(handler) as url, api_at(url, credential=token) as api:
            clock.now += lifetime - early - 1
            await api.call(ListCharts())
            clock.now += 2
            await asyncio.gather(*(api.call(ListCharts()) for _ in range(5)))
            return await api.call(ListCharts())

    last = asyncio.run(scenario())

    assert seen[0] == "one"
    assert seen[-1] == "two"
    assert (last.credential, script.tries) == (2, 2)


def test_an_early_renewal_that_fails_harms_nothing_and_is_tried_again_after_a_minute(serve, api_at, clock):
    token, script = credential(
        clock, Token(value="one", lifetime=3600), Unavailable("down"), Unavailable("down"), Token(value="two")
    )

    async def handler(request):
        return web.json_response([], headers={"X-Request-Id": request.headers["X-Auth-Token"]})

    async def scenario():
        await token.start()
        async with serve(handler) as url, api_at(url, credential=token) as api:
            used = []
            for pause in (3500, 1, 60, 60, 0):
                clock.now += pause
                used.append((await api.call(ListCharts())).request_id)
            return used

    assert asyncio.run(scenario()) == ["one", "one", "one", "two", "two"]
    assert script.tries == 4


@pytest.mark.parametrize("forced", [False, True], ids=["early", "after-a-refusal"])
def test_other_calls_go_on_with_the_old_token_while_it_is_renewed(serve, api_at, clock, forced):
    async def handler(_request):
        return web.json_response([])

    async def scenario():
        asked, may_answer = asyncio.Event(), asyncio.Event()

        class Slow(Script):
            async def __call__(self):
                result = await super().__call__()
                if result.value == "two":
                    asked.set()
                    await may_answer.wait()
                return result

        token = RenewedToken(Slow(Token(value="one", lifetime=3600), Token(value="two")), clock=clock, timeout=60)
        await token.start()
        clock.now += 3500
        async with serve(handler) as url, api_at(url, credential=token) as api:
            renewing = asyncio.ensure_future(api.renew(1) if forced else api.call(ListCharts()))
            await asked.wait()
            meanwhile = await api.call(ListCharts())
            may_answer.set()
            await renewing
            return meanwhile, await api.call(ListCharts())

    meanwhile, after = asyncio.run(scenario())

    assert (meanwhile.credential, after.credential) == (1, 2)


def test_a_refused_password_is_never_tried_twice(clock):
    token, script = credential(clock, Token(value="one", lifetime=3600), LoginRefused("wrong password"))

    async def scenario():
        await token.start()
        failures = []
        for _ in range(3):
            try:
                await token.renew(1, "HTTP 401")
            except AuthFailed as failed:
                failures.append(str(failed))
        clock.now += 3600
        with pytest.raises(AuthFailed, match="wrong password"):
            await token.refresh()
        return failures

    assert asyncio.run(scenario()) == ["wrong password"] * 3
    assert script.tries == 2


def test_a_login_without_a_clear_answer_is_tried_a_few_times_with_growing_pauses(clock):
    token, script = credential(clock, *[Unavailable("busy")] * 3, Token(value="one"))

    asyncio.run(token.start())

    assert (script.tries, clock.slept) == (4, [1.0, 2.0, 4.0])


def test_an_identity_service_that_stays_away_makes_the_cloud_unreachable(clock):
    token, script = credential(clock, *[Unavailable("cloud 'c': no connection")] * 9)

    with pytest.raises(CloudUnreachable, match="cloud 'c': no connection"):
        asyncio.run(token.start())

    assert script.tries == 4


@pytest.mark.parametrize("asked", [0.0, 20.0, 9000.0])
def test_the_pauses_between_logins_grow_whoever_asks_for_them(serve, api_at, clock, asked):
    """Fifty callers, again and again, through an outage of ten minutes."""
    tried = []
    token, script = credential(clock, Token(value="one"), *[Unavailable("busy", wait=asked)] * 99)

    async def timed():
        tried.append(clock.now)
        return await script()

    async def one():
        with contextlib.suppress(CloudUnreachable):
            await token.renew(1, "HTTP 401")

    async def scenario():
        timed.where = "iam"
        await token.start()
        token._login = timed
        end = clock.now + 600
        while clock.now < end:
            await asyncio.gather(*(one() for _ in range(50)))
            clock.now += 0.25

    asyncio.run(scenario())

    gaps = [round(later - sooner) for sooner, later in itertools.pairwise(tried)]
    if asked:
        assert set(gaps) <= {round(min(asked, 300.0)), 32, 60}
    else:
        assert gaps[:6] == [1, 2, 4, 8, 16, 32]
        assert set(gaps[6:]) == {60}


def test_a_login_that_succeeds_ends_the_growing_of_pauses(clock):
    token, _script = credential(
        clock, *[Unavailable("busy")] * 3, Token(value="one"), Unavailable("busy"), Token(value="two")
    )

    async def scenario():
        await token.start()
        await token.renew(1, "HTTP 401")

    asyncio.run(scenario())

    assert clock.slept == [1.0, 2.0, 4.0, 1.0]


@pytest.mark.parametrize("stopped", ["monotonic", "wall"])
def test_no_call_leaves_with_a_token_that_is_over_on_either_clock(serve, api_at, clock, stopped):
    """A sleeping laptop stops the monotonic clock, an operator sets the wall clock back."""
    at = clock.now
    setattr(clock, stopped, lambda: at)
    token, script = credential(clock, Token(value="one", lifetime=3600), Token(value="two"))
    seen = []

    async def handler(request):
        seen.append(request.headers["X-Auth-Token"])
        return web.json_response([])

    async def scenario():
        await token.start()
        async with serve(handler) as url, api_at(url, credential=token) as api:
            clock.now += 7200
            await asyncio.gather(*(api.call(ListCharts()) for _ in range(6)))

    asyncio.run(scenario())

    assert seen == ["two"] * 6
    assert script.tries == 2


@pytest.mark.parametrize(
    ("result", "status"),
    [(Unavailable("iam is down"), 0), (LoginRefused("wrong password"), 401)],
    ids=["down", "refused"],
)
def test_without_a_successor_for_a_token_that_is_over_nothing_leaves(serve, api_at, clock, result, status):
    token, _ = credential(clock, Token(value="one", lifetime=3600), *[result] * 9)
    seen = []

    async def handler(request):
        seen.append(request.path)
        return web.json_response([])

    async def scenario():
        await token.start()
        async with serve(handler) as url, api_at(url, credential=token) as api:
            clock.now += 7200
            return await asyncio.gather(*(api.call(ListCharts()) for _ in range(6)))

    answers = asyncio.run(scenario())

    assert seen == []
    assert {(answer.status, answer.message) for answer in answers} == {(status, result.message)}


def test_a_life_counts_from_before_the_login(clock):
    """The server issued it while the answer was on its way, however long that took."""

    class Slow(Script):
        async def __call__(self):
            clock.now += 30
            return await super().__call__()

    token = RenewedToken(Slow(Token(value="one", lifetime=60)), clock=clock, timeout=60)
    asyncio.run(token.start())
    clock.now += 31
    assert token.over()


def test_a_token_of_another_project_is_never_used(clock):
    token, script = credential(clock, Token(value="one", project="other"), Token(value="two"))
    token._check = lambda found: f"project {found.project!r}"

    with pytest.raises(InputError, match="project 'other'"):
        asyncio.run(token.start())
    with pytest.raises(AuthFailed, match="project 'other'"):
        asyncio.run(token.renew(0, ""))
    assert (script.tries, token.headers(None, "")) == (1, {})


def test_a_bad_certificate_is_not_tried_again(clock):
    token, script = credential(clock, Unavailable("certificate", again=False))

    with pytest.raises(CloudUnreachable, match="certificate"):
        asyncio.run(token.start())

    assert (script.tries, clock.slept) == (1, [])


def test_a_renewal_of_an_older_generation_does_nothing(clock):
    token, script = credential(clock, Token(value="one"), Token(value="two"))

    async def scenario():
        await token.start()
        await token.renew(1, "")
        await token.renew(1, "")

    asyncio.run(scenario())

    assert (token.generation, script.tries) == (2, 2)


def test_a_token_that_ends_at_once_does_not_cause_a_login_with_every_call(clock):
    token, script = credential(clock, Token(value="one", lifetime=0.0), Token(value="two", lifetime=0.0))

    asyncio.run(token.start())

    assert not token.due()
    assert script.tries == 1


def test_a_ready_token_that_was_refused_stops_the_run_and_says_why(serve, api_at):
    async def handler(_request):
        body = {"error_code": "APIGW.0307", "error_msg": "The token must be updated"}
        return web.json_response(body, status=401)

    async def scenario():
        async with serve(handler) as url, api_at(url, credential=FixedToken("cloud 'c'", "s3cret")) as api:
            answer = await api.call(ListCharts())
            await api.renew(answer.credential)

    with pytest.raises(AuthFailed) as failed:
        asyncio.run(scenario())

    assert str(failed.value) == (
        "cloud 'c': the token was refused (HTTP 401 APIGW.0307 The token must be updated); "
        "get a fresh token and run again"
    )


def test_tokens_are_in_no_repr():
    assert "s3cret" not in repr(Token(value="s3cret")) + repr(FixedToken("c", "s3cret"))

"""Credentials that are refused, and rights that are missing."""

from batch_deployer.errors import AuthFailed, CloudUnreachable
from batch_deployer.model import events as e
from batch_deployer.settings import Limits, Rate


class Wallet:
    """Wraps an API: its credential cannot be renewed."""

    def __init__(self, inner, error):
        self._inner = inner
        self._error = error
        self.renewals = 0

    async def call(self, call, on_sent):
        return await self._inner.call(call, on_sent)

    async def renew(self, credential):
        self.renewals += 1
        error = self._error(self.renewals)
        if error is not None:
            raise error
        await self._inner.renew(credential)

    async def close(self):
        await self._inner.close()


def test_a_credential_that_is_refused_for_good_stops_the_run_at_once(make, act):
    plan = make.plan(20, limits=Limits(writes=Rate(5, 60.0), reads=Rate(50, 1.0)))
    wallets = []

    def wrap(inner, _):
        wallets.append(Wallet(inner, lambda _: AuthFailed("wrong password for demo")))
        return wallets[-1]

    show = act(plan, api=wrap, faults=[make.rule("expire_token", starts=20.0)])
    assert show.ending.exit_code == 5
    assert show.ending.reason == "wrong password for demo"
    assert show.of(e.Halted)[0].scope == "auth"
    # Whoever was on the way is refused too, but nothing follows: each try may lock the account.
    assert max(called.at for called in show.calls) < show.of(e.Halted)[0].at - show.events[0].at + 0.1
    assert wallets[0].renewals <= 5


def test_what_was_under_way_when_the_credential_was_refused_is_resumable(make, act, stage):
    plan = make.plan(6)
    bad = act(
        plan,
        api=lambda inner, _: Wallet(inner, lambda _: AuthFailed("key inactive")),
        faults=[make.rule("expire_token", starts=2.0, until=100.0)],
    )
    assert bad.ending.exit_code == 5
    last = stage.resume(plan, bad, after=200.0)
    assert make.tally(last, plan) == {"deployed": 6}
    assert set(last.fleet.ledger.creates.values()) == {1}


def test_an_identity_service_that_is_away_for_a_while_costs_only_time(make, act):
    plan = make.plan(4)
    show = act(
        plan,
        api=lambda inner, _: Wallet(inner, lambda number: CloudUnreachable("no answer") if number < 4 else None),
        faults=[make.rule("expire_token", cluster="cluster-0", calls=frozenset({"list_releases"}), attempts=(2,))],
    )
    assert make.tally(show, plan) == {"deployed": 4}


def test_a_cluster_without_permission_is_rejected_and_the_exit_code_says_so(make, act):
    plan = make.plan(5)
    show = act(plan, faults=[make.rule("forbidden", cluster="cluster-2")])
    outcome, reason = make.outcomes(show, plan)[plan.deployments[2].key]
    assert outcome == "rejected"
    assert reason.startswith("no permission: HTTP 403 CCE.01403001")
    assert make.tally(show, plan) == {"deployed": 4, "rejected": 1}
    assert show.ending.exit_code == 5


def test_a_write_without_permission_is_rejected_and_not_tried_again(make, act):
    plan = make.plan(3)
    show = act(plan, faults=[make.rule("forbidden", cluster="cluster-2", calls=frozenset({"create_release"}))])
    assert make.tally(show, plan) == {"deployed": 2, "rejected": 1}
    assert show.ending.exit_code == 5
    assert len(show.sent("create_release")) == 3


def test_a_fresh_credential_that_is_refused_like_the_one_before_ends_the_logins(make, act):
    plan = make.plan(6)
    wallets = []

    def wrap(inner, _):
        wallets.append(Wallet(inner, lambda _: None))
        return wallets[-1]

    show = act(plan, api=wrap, faults=[make.rule("expire_token", starts=20.0)])
    assert show.ending.exit_code == 5
    assert "refuses even a fresh credential" in show.ending.reason
    assert wallets[0]._inner._generation == 3  # logins; the calls on the way were refused with the same ones

"""Which cluster writes next, in whole runs: seen in the order of the creates, and in how long a run takes."""

from collections import Counter
from dataclasses import replace
from itertools import groupby

import pytest

from batch_deployer.engine import cluster_work
from batch_deployer.model import events as e
from batch_deployer.model.deployment import Operation
from batch_deployer.plan.plan import Wave
from batch_deployer.ports import Command
from batch_deployer.rules.write_priority import write_priority
from batch_deployer.settings import IntOrPercent, Limits, Rate, ReconcileSettings, Settings
from batch_deployer.simulator.service.durations import duration

SLOW = Limits(writes=Rate(10, 60.0), reads=Rate(20, 1.0), in_flight=IntOrPercent(1000))
STEADY = Limits(writes=Rate(1, 3.0), reads=Rate(20, 1.0), in_flight=IntOrPercent(1000))
ONE_CALL = Limits(writes=Rate(2, 1.0), reads=Rate(50, 1.0), in_flight=IntOrPercent(1000), connections=1)
ONE_BY_ONE = replace(ONE_CALL, in_flight=IntOrPercent(1))
LASTING = Settings(reconcile=ReconcileSettings(max_staleness=3600.0))
"""What was seen once may be relied on: nobody loses their place to be looked at again."""


class Patient:
    """Holds the writes until everything has been looked at."""

    def __init__(self):
        self._commands = [Command.PAUSE, *[None] * 10, Command.CONTINUE]

    def poll(self):
        return self._commands.pop(0) if self._commands else None


@pytest.fixture
def uneven(make):
    """A plan with so many releases on each cluster."""

    def build(*sizes, limits=SLOW, **more):
        pairs = [
            make.deployment(make.cluster(number), make.release(f"web-{nth}"))
            for number, size in enumerate(sizes)
            for nth in range(size)
        ]
        return make.plan(1, deployments=pairs, limits=limits, **more)

    return build


def written(show):
    """The number of the cluster of each create, in the order of leaving."""
    return [int(called.call.cluster_id[-12:], 16) - 1 for called in sorted(show.sent("create_release"), key=number_of)]


def number_of(called):
    return called.number


def test_a_cluster_is_filled_up_before_the_next_is_begun(make, act):
    limits = replace(ONE_CALL, per_cluster=IntOrPercent(100, percent=True))
    plan = make.plan(5, ("a", "b", "c", "d"), limits=limits)
    show = act(plan, control=Patient())
    assert [cluster for cluster, _ in groupby(written(show))] == [0, 1, 2, 3, 4]


def test_a_full_cluster_lets_the_others_write_until_something_there_has_ended(make, act):
    plan = make.plan(3, ("a", "b", "c", "d"), limits=replace(ONE_CALL, per_cluster=IntOrPercent(2)))
    show = act(plan, control=Patient())
    assert written(show)[:6] == [0, 0, 1, 1, 2, 2]
    assert make.tally(show, plan) == {"deployed": 12}


def test_the_cluster_with_the_longest_chain_writes_first(uneven, act):
    show = act(uneven(1, 1, 1, 4, 2, limits=ONE_CALL), control=Patient())
    assert written(show)[:5] == [3, 4, 0, 1, 2]


def test_a_chain_is_counted_in_rounds_of_what_may_be_under_way_at_once(uneven, act):
    # Half of each may be under way at once, so that all have two rounds, and order of arrival decides.
    show = act(uneven(2, 4, 8, limits=replace(ONE_CALL, per_cluster=IntOrPercent(50, percent=True))), control=Patient())
    assert written(show)[:7] == [0, 1, 1, 2, 2, 2, 2]


def test_a_cluster_goes_back_in_line_as_its_chain_grows_shorter(uneven, act):
    show = act(uneven(3, 2, 2, limits=ONE_BY_ONE, settings=LASTING), control=Patient())
    # With two left it is one of three that have two left, and came first; with one left it waits for the others.
    assert written(show) == [0, 0, 1, 2, 0, 1, 2]


def test_priorities_and_waves_go_before_the_longest_chain(make, uneven, act):
    plan = uneven(5, 1, 1, limits=ONE_CALL)
    *rest, urgent, later = plan.deployments
    urgent = replace(urgent, cluster=make.cluster(1, priority=1))
    plan = replace(
        plan, deployments=(replace(later, wave=0), urgent, *(replace(each, wave=1) for each in rest)),
        waves=(Wave(name="first"), Wave(name="second")),
    )  # fmt: skip
    assert written(act(plan, control=Patient()))[:3] == [1, 2, 0]


def fewest_first(wave, priority, *, batches_left, refused, begun, arrived):
    """As if each had to wait until all others have written as often."""
    return write_priority(wave, priority, batches_left=-batches_left, refused=refused, begun=begun, arrived=arrived)


def test_with_unequal_clusters_the_longest_chain_first_ends_sooner_than_the_shortest(uneven, act, monkeypatch):
    plan = uneven(*[1] * 90, 10, limits=STEADY)
    longest = act(plan)
    monkeypatch.setattr(cluster_work, "write_priority", fewest_first)
    fewest = act(plan)
    assert longest.seconds < 0.75 * fewest.seconds


def test_the_longest_chain_is_not_kept_waiting_by_late_looks_while_others_write(uneven, act):
    plan = uneven(*[1] * 350, 10, limits=STEADY)
    show = act(plan)
    # The last of the chain is alone, as are the others, and takes its turn among them.
    chain = [each.key for each in plan.deployments if each.cluster.id == plan.deployments[-1].cluster.id][:-1]
    begun = {event.key: event.at for event in show.of(e.Intended)}
    assert max(begun.values()) > max(show.finishes()[key] for key in chain)
    chart = show.fleet.world.charts[0]
    took = {key: duration(show.fleet.seed, chart, Operation.CREATE, key, 1) for key in chain}
    late = sum(show.finishes()[key] - begun[key] - took[key] for key in chain)
    assert late < 0.05 * sum(took.values())


def test_what_is_begun_goes_first_although_it_came_last(make, uneven, act, stage):
    plan = uneven(3, 3, 3, limits=replace(ONE_CALL, per_cluster=IntOrPercent(100, percent=True)))
    urgent = make.deployment(make.cluster(2, priority=1), plan.deployments[-1].release)
    plan = replace(plan, deployments=(*plan.deployments[:-1], urgent))
    assert written(act(plan, control=Patient())) == [2, 2, 2, 0, 0, 0, 1, 1, 1]
    first = act(plan, control=Patient(), trap=stage.Trap(moment="replied", number=6))
    assert written(first) == [2]
    assert written(stage.resume(plan, first, control=Patient())) == [2, 2, 0, 0, 0, 1, 1, 1]


def test_a_resumed_run_counts_what_has_ended_when_it_ranks_the_chains(uneven, act, stage):
    plan = uneven(5, 2, 2, limits=ONE_BY_ONE, settings=LASTING)
    whole = act(plan, control=Patient())
    number = [n for n, event in enumerate(whole.events, 1) if isinstance(event, e.Finished)][3]
    first = act(plan, control=Patient(), trap=stage.Trap(moment="entry", number=number + 1, luck=1.0))
    assert written(first) == [0, 0, 0, 0]
    assert written(stage.resume(plan, first, control=Patient())) == [1, 2, 0, 1, 2]


def test_clusters_that_wait_long_are_not_looked_at_again_and_again(make, act):
    plan = make.plan(200, limits=SLOW)
    show = act(plan)
    begun = {event.key[:36]: event.at - show.events[0].at for event in show.of(e.Intended)}
    before = Counter(
        called.call.cluster_id for called in show.sent("list_releases") if called.at < begun[called.call.cluster_id]
    )
    # Once at first, and once more shortly before the write.
    assert max(before.values()) <= 3
    assert before.total() <= 2.2 * len(plan.deployments)
    assert max(begun.values()) < 60.0 * 20


def test_a_release_that_others_needed_costs_no_look_of_its_own(make, act):
    cluster = make.cluster(0)
    chain = [make.release("a"), make.release("b", needs=("a",)), make.release("c", needs=("b",))]
    pairs = [make.deployment(cluster, release) for release in chain]
    alone = act(make.plan(1, deployments=pairs[:1]))
    show = act(make.plan(1, deployments=pairs))
    ended = sorted(show.finishes().values())
    looks = [show.events[0].at + called.at for called in show.sent("list_releases")]
    assert make.tally(alone, make.plan(1, deployments=pairs[:1])) == {"deployed": 1}
    for at in ended[:-1]:
        assert not [look for look in looks if at <= look < at + 1.0]


@pytest.mark.parametrize("effect", ["locked", "error"])
def test_a_cluster_that_keeps_being_refused_does_not_use_up_the_writes_of_the_others(make, uneven, act, effect):
    plan = uneven(*[1] * 60, 5, limits=STEADY)
    failing = plan.deployments[-1].cluster.id
    healthy = act(plan)
    rule = make.rule(effect, cluster="cluster-60", calls=frozenset({"create_release"}), until=1000.0)
    show = act(plan, faults=[rule])
    before, last = (max(ev.at for ev in each.of(e.Intended) if ev.key[:36] != failing) for each in (healthy, show))
    # Five chains of one round more than the others have, and each refusal costs one.
    assert last - before < 6 * STEADY.writes.period


def test_a_release_that_was_refused_lets_the_others_of_its_cluster_go_first(make, act):
    plan = make.plan(1, ("a", "b", "c"), limits=ONE_CALL)
    show = act(plan, faults=[make.rule("locked", release="a", calls=frozenset({"create_release"}), until=10.0)])
    assert [called.call.name for called in show.sent("create_release")] == ["a", "b", "c", "a"]


def test_a_cluster_whose_work_shrank_while_it_stood_in_line_lets_a_longer_chain_go_first(uneven, act):
    limits = Limits(writes=Rate(1, 150.0), reads=Rate(20, 1.0), per_cluster=IntOrPercent(3))
    show = act(uneven(7, 7, limits=limits, settings=LASTING), control=Patient())
    # After its first write it has begun, and stands in front; by the next one it has two rounds left, the other three.
    assert written(show)[:2] == [0, 1]


def test_while_many_are_under_way_the_gate_is_not_worth_many_looks(make, act):
    plan = make.plan(100)
    show = act(plan)
    early = [called for called in show.sent("list_releases") if called.at < 40.0]
    assert min(show.finishes().values()) - show.events[0].at < 40.0
    assert len(early) <= 8 * 100

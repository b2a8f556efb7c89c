"""One seed is one world: what becomes of a release depends on neither the order nor the time of requests."""

import random

import pytest

from batch_deployer.model.api import CreateRelease
from batch_deployer.simulator.faults.files import preset
from batch_deployer.simulator.faults.presets import PRESETS
from batch_deployer.simulator.provider import SimulatedProvider
from batch_deployer.simulator.world.world import World

WORLD = World.generated(clouds=2, clusters=20, writes="100000/s", reads="100000/s")
CREATES = [
    (
        cluster.cloud,
        CreateRelease(cluster_id=cluster.id, namespace="n", name=f"r{n}", chart_id=chart.id, version="1.0.0"),
    )
    for cluster in WORLD.clusters
    for n, chart in enumerate(WORLD.charts)
]


def told(seed, order, gap, rules=PRESETS["storm"]):
    """Try each create until it is in (or refused for good), in this order, and say what came of it in the end."""
    fleet = SimulatedProvider(WORLD, seed=seed, faults=[rule for rule in rules if not rule.every])
    now, answers = 1e9, {}
    waiting = list(order)
    while waiting:
        again = []
        for cloud, call in waiting:
            now += gap
            reply = fleet.handle(cloud, call, now)
            answers.setdefault((call.cluster_id, call.name), []).append(reply.status)
            if reply.status not in (201, 409):
                again.append((cloud, call))
        waiting = again
    truth = fleet.releases(now + 1e6)
    assert fleet.ledger.duplicates == []
    return answers, {key: (body.status, body.version) for key, body in truth.items()}


@pytest.mark.parametrize("seed", [1, "a word"])
def test_the_order_of_requests_changes_nothing(seed):
    shuffled = random.Random(7).sample(CREATES, len(CREATES))
    assert told(seed, CREATES, 0.0) == told(seed, shuffled, 0.0)


def test_the_pace_of_requests_changes_no_fate():
    assert told(1, CREATES, 0.0)[1] == told(1, CREATES, 0.01)[1]


def test_another_seed_is_another_world():
    assert told(1, CREATES, 0.0) != told(2, CREATES, 0.0)


def test_the_storm_leaves_every_kind_of_end():
    ends = {status for status, _ in told(3, CREATES, 0.0)[1].values()}
    assert {"DEPLOYED", "FAILED"} <= ends


def test_installs_take_as_long_whoever_asks_when():
    def ends(order):
        fleet = SimulatedProvider(WORLD, seed=5)
        for cloud, call in order:
            fleet.handle(cloud, call, 1e9)
        slots = [slot for holding in fleet.estate.all_clusters() for slot in holding.slots.values()]
        return {slot.key: slot.revisions[-1].ends for slot in slots}

    forward = ends(CREATES)
    assert forward == ends(CREATES[::-1])
    assert len({round(end - 1e9, 3) for end in forward.values()}) > len(CREATES) // 2, "installs differ"


def test_calm_spoils_nothing():
    answers, ends = told(1, CREATES, 0.0, preset("calm"))
    assert {tuple(one) for one in answers.values()} == {(201,)}
    assert set(ends.values()) == {("DEPLOYED", 1)}

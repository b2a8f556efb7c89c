"""A plan as text and back."""

import json
import uuid
from dataclasses import replace

import pytest

from batch_deployer.errors import InputError
from batch_deployer.model.cloud import AuthSpec, CloudSpec
from batch_deployer.model.deployment import (
    Action,
    ChartRef,
    Cluster,
    ConfirmedState,
    Deployment,
    OnExisting,
    OnFailure,
    Parameters,
    ReleaseSpec,
    RollbackStep,
    key_of,
)
from batch_deployer.plan.plan import Plan, Wave
from batch_deployer.plan.serialization import digest, dump_plan, parse_plan
from batch_deployer.settings import GateSettings, IntOrPercent, Limits, PollSettings, Rate, Settings


def deployment(cluster, release, **more):
    return Deployment(key=key_of(cluster.id, release.namespace, release.name), cluster=cluster, release=release, **more)


def a_plan():
    clusters = [
        Cluster(id=str(uuid.UUID(int=n)), name=f"c{n}", cloud="a", tags={"é": "ü"}, priority=n) for n in range(3)
    ]
    plain = ReleaseSpec(name="web", namespace="n", chart=ChartRef(name="web"), version="1.0.0")
    rich = ReleaseSpec(
        name="db",
        namespace="n",
        chart=ChartRef(id="d"),
        version="2",
        values_json='{"p":"${secret:env:P}"}',
        parameters=Parameters(dry_run=False, name_template="x", release_version=3),
        description="d",
        timeout=0.1 + 0.2,
        on_existing=OnExisting.REPLACE,
        on_failure=OnFailure.ROLLBACK,
        allow_destructive=True,
        needs=("web",),
        priority=-4,
    )
    undo = RollbackStep(action=Action.ROLLBACK, revision=2, expected=ConfirmedState(revision=3))
    auth = AuthSpec(method="token", options={"token": "${secret:env:T}"})
    return Plan(
        name="p",
        clouds={"a": CloudSpec(name="a", endpoint="https://h", auth=auth, limits=Limits(reads=Rate(7, 90.0)))},
        deployments=(
            *(deployment(cluster, plain, wave=1) for cluster in clusters),
            *(deployment(cluster, rich, undo=undo) for cluster in clusters),
        ),
        waves=(Wave(name="canary", max_failures=IntOrPercent(0), soak=60.5), Wave(name="rest")),
        gates=GateSettings(max_failures=IntOrPercent(2.5, percent=True), systemic=0),
        release_budgets={"web": IntOrPercent(1)},
        settings=replace(Settings(), poll=PollSettings(initial_delay=0.25), deadline=5.0),
        expected={"k": "create 0 "},
        warnings=("mind the gap",),
    )


def test_a_plan_comes_back_exactly_as_it_was():
    plan = a_plan()
    assert parse_plan(dump_plan(plan)) == plan
    assert dump_plan(parse_plan(dump_plan(plan))) == dump_plan(plan)


def test_clusters_and_release_specs_are_written_and_read_once_each():
    text = dump_plan(a_plan())
    body = json.loads(text)["plan"]
    assert (len(body["clusters"]), len(body["releases"]), len(body["deployments"])) == (3, 2, 6)
    thawed = parse_plan(text)
    assert len({id(each.release) for each in thawed.deployments}) == 2
    assert len({id(each.cluster) for each in thawed.deployments}) == 3


def test_equal_specs_that_are_different_objects_are_one_in_the_text():
    plan = a_plan()
    copied = tuple(
        replace(each, release=replace(each.release), cluster=replace(each.cluster)) for each in plan.deployments
    )
    assert dump_plan(replace(plan, deployments=copied)) == dump_plan(plan)


def test_a_hundred_thousand_deployments_stay_small():
    clusters = [Cluster(id=str(uuid.UUID(int=n)), name=f"c{n}", cloud="a") for n in range(1000)]
    releases = [ReleaseSpec(name=f"r{n}", namespace="n", chart=ChartRef(id="d"), version="1") for n in range(100)]
    plan = replace(a_plan(), deployments=tuple(deployment(c, r) for c in clusters for r in releases))
    text = dump_plan(plan)
    assert len(text) < 2_500_000
    assert parse_plan(text) == plan


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: "", "not a saved plan, or it is damaged"),
        (lambda text: text[: len(text) // 2], "not a saved plan, or it is damaged"),
        (lambda text: "[]", "not a saved plan, or it is damaged"),
        (lambda text: "[" * 100_000, "not a saved plan, or it is damaged"),
        (lambda text: text.replace('"name":"web"', '"name":"wab"'), "was changed or is damaged"),
        (
            lambda text: text.replace('"format":2', '"format":3'),
            "has format 3, and this program reads format 2; make it again",
        ),
        (
            lambda text: text.replace('"format":2', '"format":1'),
            "has format 1, and this program reads format 2; make it again",
        ),
    ],
)
def test_a_damaged_or_newer_plan_is_refused(damage, message):
    with pytest.raises(InputError, match=message):
        parse_plan(damage(dump_plan(a_plan())))


def rewritten(**changes):
    """A plan whose checksum is right and whose content is not."""
    import hashlib

    body = json.dumps(json.loads(dump_plan(a_plan()))["plan"] | changes, separators=(",", ":"))
    check = hashlib.sha256(body.encode()).hexdigest()
    return f'{{"format":2,"check":"{check}","plan":{body}}}'


@pytest.mark.parametrize("cell", [[9, 0, 0], [0, 9, 0], [0, 0, 9], [-1, 0, 0], [0, 0], ["a", 0, 0]])
def test_a_plan_that_refers_to_what_is_not_there_is_refused(cell):
    with pytest.raises(InputError, match="the saved plan cannot be used: "):
        parse_plan(rewritten(deployments=[cell]))


def test_a_digest_tells_texts_apart():
    text = dump_plan(a_plan())
    assert digest(text) == digest(text)
    assert digest(text) != digest(text + " ")

"""Clusters made up where a manifest would ask a cloud."""

import textwrap
from pathlib import Path

import pytest

from batch_deployer.app.inventing import made_up
from batch_deployer.app.load_plan import Choice, load_plan
from batch_deployer.app.secrets import SecretStore
from batch_deployer.errors import InputError
from batch_deployer.manifest.loader import load

MANIFEST = """
    name: dr
    clouds: {nl: {cloud: nl}}
    clusters:
      - {id: a870253f-5dc7-11ee-bf71-0255ac100b01, name: known, cloud: nl}
      - discover: {cloud: nl, name: "prod-*-[ab]?", tags: {env: {in: [prod, dr]}, tier: critical, owner: {exists: true}}}
      - discover: {cloud: nl, tags: {tier: {not: critical}}, phase: ScalingUp}
    releases:
      - {name: web, namespace: shop, chart: {name: web, version: 1.0.0}, targets: "*"}
"""


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "dr.yaml"
    file.write_text(textwrap.dedent(MANIFEST))
    return file


def test_they_fit_the_questions_and_share_the_number(path):
    plan = load_plan(path, Choice(), SecretStore({}, Path()), {}, simulated=True, clusters=7)
    names = [each.cluster.name for each in plan.deployments]
    assert names == ["known", *(f"prod-{n:04}-a0" for n in (0, 2, 4)), *(f"cluster-{n:04}" for n in (1, 3, 5))]
    assert plan.deployments[1].cluster.tags == {"env": "prod", "tier": "critical", "owner": "yes"}
    assert plan.deployments[4].cluster.phase == "ScalingUp"
    assert len({each.cluster.id for each in plan.deployments}) == 7


def test_every_question_gets_one_even_where_fewer_are_wanted(path):
    assert [state.tags.get("tier") for state in made_up(load(path, {}), 1)["nl"]] == ["critical", None]


def test_without_a_number_the_fault_says_how_to_give_one(path):
    with pytest.raises(InputError, match="rehearse with --clusters NUMBER"):
        load_plan(path, Choice(), SecretStore({}, Path()), {}, simulated=True)

"""The manifests that come with the program, and the JSON Schema."""

import json
import shutil
from pathlib import Path

import jsonschema
import pytest

from batch_deployer.errors import InputError
from batch_deployer.manifest.loader import load
from batch_deployer.manifest.schema import json_schema
from batch_deployer.manifest.yaml_reader import read
from batch_deployer.model.api import ClusterState
from batch_deployer.plan.builder import build_plan

FOLDER = Path(__file__).parents[2] / "manifests"
GOOD = sorted(FOLDER.glob("*.yaml"))
BROKEN = sorted((FOLDER / "invalid").glob("*.yaml"))
ENVIRON = {"OTC_PASSWORD": "p", "DB_PASSWORD": "q"}
SHOWN = [
    ClusterState(id=f"{n:08d}-0000-4000-8000-000000000000", name=f"prod-{n}", phase="Available", tags=tags)
    for n, tags in enumerate([{"env": "prod", "tier": "critical"}] * 2 + [{"env": "prod", "tier": "core"}] * 6)
]


def planned(path, profile=None):
    manifest = load(path, ENVIRON, profile=profile)
    return build_plan(manifest, discovered={question.cloud: SHOWN for question in manifest.discover})


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_every_example_loads_and_plans_without_a_warning(path):
    plan = planned(path)
    assert plan.deployments
    assert plan.warnings == ()


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.stem)
def test_every_broken_example_says_what_is_wrong_and_where(path):
    with pytest.raises(InputError) as caught:
        planned(path)
    assert all(fault.file == str(path) and fault.line and fault.column for fault in caught.value.diagnostics)


def test_the_thousand_are_a_thousand_on_three_clouds():
    plan = planned(FOLDER / "thousand.yaml")
    assert len({each.key for each in plan.deployments}) == 1000
    assert {each.cluster.cloud for each in plan.deployments} == {"sim-a", "sim-b", "sim-c"}
    assert [wave.name for wave in plan.waves] == ["canary", "rest"]
    assert all(each.release.chart.name and not each.release.chart.id for each in plan.deployments)


def test_the_disaster_profile_lifts_limits_and_puts_critical_clusters_first():
    calm, dr = planned(FOLDER / "dr.yaml"), planned(FOLDER / "dr.yaml", "dr")
    assert dr.clouds["otc-nl"].limits.reads.per_second > calm.clouds["otc-nl"].limits.reads.per_second
    assert {each.cluster.tags["tier"] for each in dr.deployments if each.wave == 0} == {"critical"}
    assert max(dr.deployments, key=lambda each: each.priority).release.name == "payments"


def test_no_secret_of_the_secrets_example_is_in_its_plan():
    spec = planned(FOLDER / "secrets.yaml").deployments[0].release
    assert "EXAMPLE-LICENCE" not in spec.values_json
    assert "${secret:env:DB_PASSWORD}" in spec.values_json


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_every_example_fits_the_published_schema(path):
    jsonschema.validate(read(path.read_text(), str(path)).plain(), json_schema(), jsonschema.Draft202012Validator)


@pytest.mark.parametrize(
    "change",
    [
        {"clouds": {}},
        {"releses": []},
        {"limits": {"writes": 5}},
        {"rollout": {"max_failures": "many"}},
        {"clusters": [{"id": 5}]},
        {"releases": [{"name": "web"}]},
    ],
    ids=str,
)
def test_the_schema_refuses_what_the_program_refuses(change, tmp_path):
    tree = read((FOLDER / "minimal.yaml").read_text(), "m").plain() | change
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(tree, json_schema(), jsonschema.Draft202012Validator)
    (tmp_path / "m.json").write_text(json.dumps(tree))
    with pytest.raises(InputError):
        load(tmp_path / "m.json", {})


def test_an_example_works_from_a_copy_elsewhere(tmp_path):
    shutil.copytree(FOLDER, tmp_path / "copy")
    assert len(planned(tmp_path / "copy" / "thousand.yaml").deployments) == 1000

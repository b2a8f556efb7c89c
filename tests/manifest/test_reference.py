"""docs/manifest.md against the program: every key is there, every example works, every default is true."""

import re
from pathlib import Path

import pytest

from batch_deployer.manifest.loader import load
from batch_deployer.manifest.schema import json_schema
from batch_deployer.model.api import ClusterState
from batch_deployer.plan.builder import build_plan
from batch_deployer.settings import Limits, Settings, parse_duration

TEXT = (Path(__file__).parents[2] / "docs" / "manifest.md").read_text()
EXAMPLES = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
SHOWN = ClusterState(id="00000000-0000-4000-8000-000000000000", name="prod-9", phase="Available", tags={"env": "prod"})


def test_every_key_of_the_schema_is_in_the_reference():
    schema = json_schema()
    keys = {key for part in [schema, *schema["$defs"].values()] for key in part.get("properties", ())}
    told = set(re.findall(r"`(?:\w+\.)?([a-z_]+)`", TEXT))
    assert keys - told == set()


@pytest.mark.parametrize("text", EXAMPLES, ids=lambda text: text.split("\n", 1)[0])
def test_every_example_of_the_reference_can_be_planned(text, tmp_path):
    (tmp_path / "m.yaml").write_text(text)
    manifest = load(tmp_path / "m.yaml", {"OTC_PASSWORD": "p", "OTC_SECRET_KEY": "k"})
    assert build_plan(manifest, discovered={"otc-de": [SHOWN]}).deployments


def test_the_defaults_of_settings_and_limits_are_those_of_the_program():
    rows = re.findall(r"^\| (`[a-z_.`, ]+`) \| [a-z ]+ \| ([^|]+) \|", TEXT, re.MULTILINE)
    checked = 0
    for names, defaults in rows:
        for name, default in zip(re.findall(r"`([\w.]+)`", names), defaults.split(", "), strict=False):
            group, _, key = name.rpartition(".")
            if group in ("retry", "poll", "reconcile"):
                assert getattr(getattr(Settings(), group), key) == parse_duration(default.strip(" `")), name
                checked += 1
            elif name in ("writes", "reads", "in_flight", "per_cluster", "connections"):
                assert str(getattr(Limits(), name)) == default.strip(" `"), name
                checked += 1
    assert checked == 22

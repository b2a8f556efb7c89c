"""docs/simulator.md says what is so."""

import re
from pathlib import Path

import pytest

from batch_deployer.simulator.faults import files
from batch_deployer.simulator.faults.presets import PRESETS
from batch_deployer.simulator.faults.rules import ANSWERS, WRITE_EFFECTS, Effect, FaultRule
from batch_deployer.simulator.world.entities import Account

TEXT = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text("utf-8")


def test_the_fault_file_shown_can_be_loaded():
    (example,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    rules = files.load(example)
    assert len(rules) == len(PRESETS["rough"]) + 6


@pytest.mark.parametrize("effect", list(Effect))
def test_every_effect_has_its_line(effect):
    (about,) = re.findall(rf"^\| `{effect}` \| (\w+) \|", TEXT, re.MULTILINE)
    assert about == ("answer" if effect in ANSWERS else "fate" if effect in WRITE_EFFECTS else "cluster")


@pytest.mark.parametrize("key", FaultRule.__struct_encode_fields__)
def test_every_key_of_a_rule_is_described(key):
    assert f"`{key}`" in TEXT or f"{key}:" in TEXT


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_described(name):
    assert f"| `{name}` |" in TEXT


def test_the_credentials_are_the_real_ones():
    account = Account()
    for secret in (account.agency, account.user, account.domain):
        assert f"`{secret}`" in TEXT

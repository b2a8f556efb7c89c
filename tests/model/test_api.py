"""The provider's words: statuses, calls and parameters."""

from typing import get_args

import pytest

from batch_deployer.model.api import Call, Read, Status, Write, normalise_status
from batch_deployer.model.deployment import Outcome, Parameters, key_of


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("DEPLOYED", Status.DEPLOYED),
        ("deployed", Status.DEPLOYED),
        ("pending-install", Status.PENDING_INSTALL),
        ("pending-upgrade", Status.PENDING_UPGRADE),
        ("PENDING_ROLLBACK", Status.PENDING_ROLLBACK),
        ("uninstalled", Status.DELETED),
        ("Uninstalling", Status.DELETING),
        ("superseded", Status.SUPERSEDED),
        ("on-hold", "ON_HOLD"),
        ("", ""),
    ],
)
def test_every_spelling_of_a_status_becomes_the_apis_word(text, status):
    assert normalise_status(text) == status


def test_every_call_knows_whether_it_writes_and_has_a_kind_of_its_own():
    calls = get_args(Call)
    assert {call for call in calls if call.writes} == set(get_args(Write))
    assert {call for call in calls if not call.writes} == set(get_args(Read))
    assert len({call.kind for call in calls}) == len(calls)


def test_only_parameters_that_were_set_are_sent():
    assert Parameters().as_body() == {}
    sent = Parameters(dry_run=False, no_hooks=True, release_version=3, name_template="").as_body()
    assert sent == {"dry_run": False, "no_hooks": True, "release_version": 3, "name_template": ""}


def test_only_what_runs_as_wanted_is_a_good_outcome():
    assert {outcome for outcome in Outcome if outcome.succeeded} == {Outcome.DEPLOYED, Outcome.UNCHANGED}


def test_the_key_of_a_deployment_tells_cluster_namespace_and_name():
    assert key_of("c1", "shop", "web") == "c1/shop/web"

"""The life of a release: statuses, revisions, history, and who may write when."""

import json

import pytest

from batch_deployer.model.deployment import Parameters

KEY = "00000000-0000-4000-8000-000000000001/apps/web"


def test_an_install_is_pending_until_its_time_has_come(scene):
    play = scene()
    reply = play.create(values_json='{"a":{"b":[1]}}')
    assert (reply.status, reply.body.status, reply.body.version) == (201, "PENDING_INSTALL", 1)
    assert play.wait(39.9).state() == ("PENDING_INSTALL", 1)
    assert play.wait(0.2).state() == ("DEPLOYED", 1)
    assert play.show().body.values == '{"a":{"b":[1]}}'


def test_speed_shortens_operations_and_nothing_else(scene):
    play = scene(speed=10.0)
    play.create()
    assert play.wait(3.9).state() == ("PENDING_INSTALL", 1)
    assert play.wait(0.2).state() == ("DEPLOYED", 1)
    assert play.show().body.create_at == "2026-01-02T11:00:00+08:00"


def test_a_second_create_of_a_name_is_refused_and_noted(scene):
    play = scene()
    play.create()
    reply = play.create()
    assert (reply.status, reply.problem.code) == (409, "CCE.01409001")
    told = play.ledger()
    assert told["creates"] == told["refused_creates"] == {KEY: 1}
    assert told["duplicates"] == []


def test_the_same_name_in_another_namespace_is_another_release(scene):
    play = scene()
    assert [play.create().status, play.create(namespace="other").status] == [201, 201]
    assert len(play.list()) == 2


def test_an_upgrade_makes_a_revision_and_takes_the_charts_last_version(scene):
    play = scene()
    play.create()
    play.wait(60)
    assert play.update(values_json='{"v":2}').body.status == "PENDING_UPGRADE"
    body = play.wait(60).show().body
    assert (body.status, body.version, body.chart_version, body.values) == ("DEPLOYED", 2, "1.1.0", '{"v":2}')
    assert body.update_at > body.create_at


def test_a_write_to_a_pending_release_is_locked_out(scene):
    play = scene()
    play.create()
    for reply in (play.update(), play.rollback(1), play.delete()):
        assert (reply.status, reply.problem.code) == (429, "CCE.01429002")
        assert reply.problem.message == "Update release is forbidden"


def test_a_rollback_brings_back_chart_and_values_as_a_new_revision(scene):
    play = scene()
    play.create(values_json='{"v":1}')
    play.wait(60).update(values_json='{"v":2}')
    assert play.wait(60).rollback(1).body.status == "PENDING_ROLLBACK"
    body = play.wait(60).show().body
    assert (body.version, body.values, body.chart_version) == (3, '{"v":1}', "1.0.0")
    assert [(one.version, one.status) for one in play.history().body] == [
        (1, "SUPERSEDED"),
        (2, "SUPERSEDED"),
        (3, "DEPLOYED"),
    ]


def test_a_rollback_to_a_revision_that_is_not_there_is_refused(scene):
    play = scene()
    play.create()
    play.wait(60)
    assert [play.rollback(7).status, play.rollback(None).status] == [400, 400]
    assert play.ledger()["rollbacks"] == {}


def test_only_the_last_ten_revisions_are_kept(scene):
    play = scene()
    play.create()
    for _ in range(12):
        play.wait(60).update()
    assert [one.version for one in play.wait(60).history().body] == list(range(4, 14))
    assert play.rollback(2).status == 400


def test_a_failed_upgrade_leaves_the_old_revision_running_in_the_history(scene):
    play = scene([{"effect": "fail", "calls": "update_release"}])
    play.create()
    play.wait(60).update()
    assert play.wait(60).state() == ("FAILED", 2)
    assert [one.status for one in play.history().body] == ["DEPLOYED", "FAILED"]


def test_a_delete_is_shown_and_then_gone_and_frees_the_name(scene):
    play = scene()
    play.create()
    assert play.wait(60).delete().body.status == "DELETING"
    assert play.delete().status == 429
    assert play.create().status == 409
    assert play.wait(12.5).state() == ("DELETED", 1)
    play.wait(1)
    assert (play.show().status, play.show().problem.code) == (404, "CCE.01404001")
    assert (play.create().status, play.state()) == (201, ("PENDING_INSTALL", 1))
    assert play.ledger()["duplicates"] == []


def test_a_dry_run_shows_a_release_and_leaves_none(scene):
    play = scene()
    assert play.create(parameters=Parameters(dry_run=True)).body.status == "PENDING_INSTALL"
    assert (play.state(), play.ledger()["creates"]) == (None, {})
    play.create()
    play.wait(60)
    assert play.update(parameters=Parameters(dry_run=True)).status == 200
    assert play.state() == ("DEPLOYED", 1)


def test_replace_installs_over_an_existing_name_and_is_no_duplicate(scene):
    play = scene()
    play.create()
    assert play.wait(60).create(parameters=Parameters(replace=True)).status == 201
    assert play.state() == ("PENDING_INSTALL", 2)
    assert play.ledger()["duplicates"] == []


def test_replace_on_an_upgrade_keeps_the_values_that_are_not_sent(scene):
    play = scene()
    play.create(values_json='{"a":1,"b":2}')
    play.wait(60).update(values_json='{"b":3}', parameters=Parameters(replace=True))
    assert json.loads(play.show().body.values) == {"a": 1, "b": 3}


def test_a_stuck_release_refuses_upgrades_and_lets_a_delete_through(scene):
    play = scene([{"effect": "stuck", "calls": "create_release"}])
    play.create()
    play.wait(1e6)
    assert play.state() == ("PENDING_INSTALL", 1)
    assert play.update().status == 429
    assert play.delete().status == 200


def test_what_names_nothing_is_told_apart(scene):
    play = scene()
    assert play.create(chart_id="nope").problem.code == "CCE.01404001"
    assert play.create(cluster_id="nope").problem.code == "CCE.01404001"
    assert play.create(cluster_id="00000000-0000-4000-8000-000000000002").status == 404, "another cloud's cluster"
    assert play.create(version="9.9.9").status == 400
    assert play.update().status == play.delete().status == play.history().status == 404


@pytest.mark.parametrize("name", ["", "Web", "1web", "web-", "-web", "w_b", "web.io", "a" * 54, "wëb"])
def test_a_bad_release_name_is_refused(scene, name):
    assert scene().create(name).status == 400


def test_autocreate_brings_clusters_and_charts_into_being(scene):
    play = scene(autocreate=True)
    unknown = "12345678-1234-1234-1234-123456789abc"
    assert play.create(cluster_id=unknown, chart_id=unknown, version="3.2.1").body.chart_version == "3.2.1"
    assert play.create(cluster_id="not-an-id").status == 404
    assert scene().create(cluster_id=unknown).status == 404

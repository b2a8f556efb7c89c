"""Every effect of the fault rules does what its line in the documentation says."""

import pytest

from batch_deployer.model.api import CreateRelease, ListCharts, ListReleases
from batch_deployer.simulator.faults.rules import ANSWERS, WRITE_EFFECTS, Effect

CHART = "00000000-0000-4000-8000-0000000000c1"
KEY = "00000000-0000-4000-8000-000000000001/apps/web"


@pytest.mark.parametrize(
    ("status", "code"),
    [(500, "CCE.01500001"), (502, "APIGW.0201"), (503, "APIGW.0613"), (504, "APIGW.0201")],
)
def test_an_error_that_never_acts_leaves_nothing(scene, status, code):
    play = scene([{"effect": "error", "status": status, "calls": "create_release"}])
    reply = play.create()
    assert (reply.status, reply.problem.code) == (status, code)
    assert (play.wait(100).state(), play.ledger()["creates"]) == (None, {})


@pytest.mark.parametrize("effect", ["error", "html", "reset", "timeout"])
def test_a_bad_answer_that_acts_at_once_leaves_the_release(scene, effect):
    play = scene([{"effect": effect, "acts": "at_once", "calls": "create_release"}])
    assert play.create().status not in (200, 201)
    assert (play.state(), play.ledger()["creates"]) == (("PENDING_INSTALL", 1), {KEY: 1})


def test_a_late_write_takes_effect_after_its_504(scene):
    play = scene([{"effect": "error", "status": 504, "acts": "late", "late": "20s", "calls": "create_release"}])
    assert play.create().status == 504
    assert play.wait(19).state() is None
    assert play.wait(2).state() == ("PENDING_INSTALL", 1)
    assert play.show().body.create_at == "2026-01-02T11:00:20+08:00", "its own time, not the reader's"
    assert (play.ledger()["late"], play.ledger()["creates"]) == ([KEY], {KEY: 1})


def test_a_late_write_that_finds_its_name_taken_does_nothing(scene):
    play = scene([{"effect": "error", "status": 504, "acts": "late", "first": 1, "calls": "create_release"}])
    assert [play.create().status, play.create().status] == [504, 201]
    assert play.wait(100).state() == ("DEPLOYED", 1)
    assert (play.ledger()["creates"], play.ledger()["duplicates"]) == ({KEY: 1}, [])


def test_a_reset_is_no_answer_at_all(scene):
    play = scene([{"effect": "reset", "calls": "create_release"}])
    assert (play.create().status, play.state()) == (0, None)


def test_silence_lasts_as_long_as_the_rule_says(scene):
    play = scene([{"effect": "timeout", "seconds": "90s"}], speed=10.0)
    reply = play.create()
    assert (reply.status, reply.delay) == (0, 9.0)


def test_html_comes_from_a_proxy(scene):
    reply = scene([{"effect": "html"}]).show()
    assert (reply.status, reply.problem.shape) == (502, "G")


def test_a_slow_answer_is_right_and_late(scene):
    reply = scene([{"effect": "slow", "seconds": 7}]).create()
    assert (reply.status, reply.delay) == (201, 7.0)


def test_a_throttle_storm_refuses_in_the_gateways_words_and_executes_nothing(scene):
    play = scene([{"effect": "throttle", "from": "10s", "until": "20s"}])
    assert play.show().status == 404
    reply = play.wait(10).create()
    assert (reply.status, reply.problem.code) == (429, "APIGW.0308")
    assert "policy user over ratelimit,limit:1000,time:1 second" in reply.problem.message
    assert (play.wait(10).create().status, play.ledger()["creates"]) == (201, {KEY: 1})


def test_a_locked_release_answers_429_of_the_service(scene):
    play = scene([{"effect": "locked", "first": 1}])
    assert (play.create().problem.code, play.create().status) == ("CCE.01429002", 201)


def test_an_expired_token_stays_dead_and_a_new_one_lives(scene):
    play = scene([{"effect": "expire_token", "first": 1, "calls": "create_release"}])
    create = CreateRelease(cluster_id=KEY[:36], namespace="apps", name="web", chart_id=CHART, version="1.0.0")
    token = play.fleet.issue_token("north", play.now)
    assert play.ask(ListCharts(), token=token).status == 200
    assert play.ask(create, token=token).problem.code == "APIGW.0307"
    assert play.ask(ListCharts(), token=token).problem.code == "APIGW.0307"
    assert play.ask(create, token=play.fleet.issue_token("north", play.now)).status == 201


def test_a_signed_request_has_no_token_that_could_expire(scene):
    assert scene([{"effect": "expire_token"}]).create().status == 201


def test_a_token_ends_with_its_lifetime(scene):
    play = scene(token_lifetime=100.0)
    token = play.fleet.issue_token("north", play.now)
    assert play.wait(99).ask(ListCharts(), token=token).status == 200
    assert play.wait(1).ask(ListCharts(), token=token).problem.code == "APIGW.0307"


@pytest.mark.parametrize(
    ("effect", "status", "code"), [("forbidden", 403, "CCE.01403001"), ("unreachable", 500, "CCE.01500001")]
)
def test_a_cluster_that_cannot_be_used_refuses_every_call_for_it_and_only_for_it(scene, effect, status, code):
    play = scene([{"effect": effect, "cluster": "alp*"}])
    for reply in (play.create(), play.show(), play.delete()):
        assert (reply.status, reply.problem.code) == (status, code)
    assert play.ask(ListCharts()).status == 200
    assert play.fleet.handle("south", ListReleases(cluster_id=KEY[:35] + "2"), play.now).status == 200


def test_readers_lag_behind_each_kind_of_write(scene):
    play = scene([{"effect": "stale", "seconds": 10}])
    play.create()
    assert (play.state(), play.list(), play.history().status) == (None, [], 404)
    assert play.create().status == 409, "a write sees the truth"
    assert play.wait(10).state() == ("PENDING_INSTALL", 1)
    play.wait(60).update()
    assert play.wait(9).state() == ("DEPLOYED", 1)
    assert play.wait(1).state() == ("PENDING_UPGRADE", 2)
    play.wait(60).delete()
    assert play.state() == ("DEPLOYED", 2)
    assert play.wait(60).state() is None


@pytest.mark.parametrize(("effect", "status"), [("fail", "FAILED"), ("unknown", "UNKNOWN")])
def test_installs_and_upgrades_end_as_the_rule_says(scene, effect, status):
    play = scene([{"effect": effect, "chart": "web-*"}])
    play.create()
    assert play.wait(60).state() == (status, 1)
    play.update()
    assert play.wait(60).state() == (status, 2)
    assert play.delete().status == 200, "deletes are meant only when a rule names them"


def test_a_delete_can_fail_and_can_hang(scene):
    play = scene([{"effect": "fail", "calls": "delete_release"}])
    play.create()
    play.wait(60).delete()
    assert play.wait(60).state() == ("FAILED", 1)
    play = scene([{"effect": "stuck", "calls": "delete_release"}])
    play.create()
    play.wait(60).delete()
    assert play.wait(1e6).state() == ("DELETING", 1)


def test_a_vanishing_release_is_gone_without_a_delete(scene):
    play = scene([{"effect": "vanish", "seconds": 30, "calls": "create_release"}])
    play.create()
    assert play.wait(29).state() == ("PENDING_INSTALL", 1)
    assert play.wait(2).state() is None
    assert (play.ledger()["deletes"], play.ledger()["by_others"]) == ({}, [KEY])


def test_another_actor_upgrades_once_the_install_is_over(scene):
    play = scene([{"effect": "other_upgrade", "seconds": 5, "calls": "create_release"}])
    play.create()
    assert play.wait(41).state() == ("PENDING_UPGRADE", 2)
    assert play.wait(60).state() == ("DEPLOYED", 2)
    assert "another actor" in play.show().body.values
    assert play.ledger()["by_others"] == [KEY]


def test_another_actor_deletes_under_us(scene):
    play = scene([{"effect": "other_delete", "seconds": 5, "calls": "create_release"}])
    play.create()
    assert play.wait(6).state() == ("DELETING", 1)
    assert play.wait(60).state() is None


OTHER_CHART = "00000000-0000-4000-8000-0000000000c2"


def two_charts(rules):
    from batch_deployer.simulator.world.entities import SimChart

    charts = [SimChart(id=CHART, name="web-chart", versions=("1.0.0",), spread=0.0)]
    charts.append(SimChart(id=OTHER_CHART, name="mysql", versions=("8.0.0",), spread=0.0))
    return {"rules": rules, "charts": tuple(charts)}


def test_another_actor_creates_it_anew_under_us(scene):
    play = scene(**two_charts([{"effect": "other_recreate", "seconds": 5, "calls": "create_release"}]))
    play.create()
    before = play.show().body
    assert play.wait(6).state() == ("PENDING_INSTALL", 1)
    after = play.show().body
    assert (after.chart_name, after.chart_version) == ("mysql", "8.0.0")
    assert after.create_at > before.create_at
    assert play.wait(60).state() == ("DEPLOYED", 1)
    assert play.ledger()["by_others"] == [KEY, KEY]
    assert play.ledger()["duplicates"] == []


def test_another_actor_creates_anew_what_we_have_just_deleted(scene):
    play = scene(**two_charts([{"effect": "other_recreate", "seconds": 1, "calls": "delete_release"}]))
    play.create()
    play.wait(60).delete()
    assert play.wait(5).state() == ("DELETING", 1)
    assert play.wait(60).state() == ("DEPLOYED", 1)
    assert play.show().body.chart_name == "mysql"


def test_another_actor_acts_when_told(scene):
    from batch_deployer.simulator.service.agenda import Wish

    play = scene(**two_charts([]))
    assert not play.fleet.interfere(KEY, Effect.OTHER_UPGRADE, play.now)
    play.create(values_json='{"replicas": 3}')
    play.wait(60)
    assert play.fleet.interfere(KEY, Effect.OTHER_UPGRADE, play.now)
    assert play.state() == ("PENDING_UPGRADE", 2)
    assert '"replicas": 99' in play.show().body.values
    play.wait(60)
    wish = Wish(values={"mine": 1}, chart_id=CHART, revision=2)
    assert play.fleet.interfere(KEY, Effect.OTHER_RECREATE, play.now, wish)
    assert play.wait(60).state() == ("DEPLOYED", 2)
    assert (play.show().body.chart_name, play.show().body.values) == ("web-chart", '{"mine": 1}')
    assert play.fleet.interfere(KEY, Effect.OTHER_DELETE, play.now)
    assert play.wait(60).state() is None


def test_a_lax_server_applies_a_blind_retry_as_a_further_install(scene):
    play = scene(
        [
            {"effect": "allow_collision"},
            {"effect": "error", "status": 504, "acts": "at_once", "first": 1, "calls": "writes"},
        ]
    )
    assert [play.create().status, play.create().status] == [504, 201]
    assert play.wait(60).state() == ("DEPLOYED", 2)
    assert (play.ledger()["creates"], play.ledger()["duplicates"]) == ({KEY: 2}, [KEY])


def test_a_cluster_hibernates_midway_and_wakes(scene):
    play = scene([{"effect": "phase", "phase": "Hibernation", "from": "10s", "until": "50s"}])
    assert play.create().status == 201
    reply = play.wait(10).show()
    assert (reply.status, reply.problem.code) == (403, "CCE.01403002")
    assert "Hibernation" in reply.problem.message
    assert play.create("two").status == 403
    assert play.wait(40).state() == ("DEPLOYED", 1)


def test_a_rule_looks_at_attempts_windows_and_patterns(scene):
    play = scene([{"effect": "error", "attempts": [2, 4], "calls": "show_release"}])
    assert [play.show().status for _ in range(5)] == [404, 500, 404, 500, 404]
    assert play.show("other").status == 404, "attempts are counted per release"
    play = scene([{"effect": "error", "after": 2, "calls": "show_release"}])
    assert [play.show().status for _ in range(4)] == [404, 404, 500, 500]
    play = scene([{"effect": "error", "every": "100s", "from": "10s", "until": "20s"}])
    assert [play.wait(5).show().status for _ in range(4)] == [404, 500, 500, 404]
    assert play.wait(90).show().status == 500
    play = scene([{"effect": "error", "release": "apps/w*", "cloud": "nor*"}])
    assert [play.show().status, play.show("other").status] == [500, 404]
    assert play.create("w2", namespace="other").status == 201


def test_probability_is_a_share_of_the_requests(scene):
    play = scene([{"effect": "error", "probability": 0.2, "calls": "create_release"}])
    refused = sum(play.create(f"r{number}").status == 500 for number in range(1000))
    assert 150 < refused < 250


def test_a_phase_can_be_set_by_hand(scene):
    play = scene()
    assert play.fleet.set_phase(KEY[:36], "Upgrading")
    assert play.create().status == 403
    assert play.fleet.set_phase(KEY[:36], "")
    assert play.create().status == 201
    assert not play.fleet.set_phase("nowhere", "Upgrading")


def test_every_effect_is_of_one_kind():
    assert ANSWERS | WRITE_EFFECTS | {Effect.PHASE} == set(Effect)
    assert not ANSWERS & WRITE_EFFECTS

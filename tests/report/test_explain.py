"""What a deployment waits for, why, since when and until when."""

from dataclasses import replace

import pytest

from batch_deployer.errors import InputError
from batch_deployer.model.deployment import Action, Operation, Outcome
from batch_deployer.model.events import (
    Accepted,
    Continued,
    Finished,
    Halted,
    Intended,
    Missing,
    Paused,
    Planned,
    Refused,
    RunFinished,
    RunStarted,
    Seen,
    StepCompleted,
    Stopping,
    Throttled,
    Uncertain,
    Undecided,
    WavePassed,
    WaveStarted,
)
from batch_deployer.plan.plan import CloudSpec
from batch_deployer.report.explain import explain
from batch_deployer.settings import IntOrPercent, Limits

KEY = "id-1/apps/web"
CREATE = {"key": KEY, "operation": Operation.CREATE}


def above(text: str) -> str:
    """The part before the timeline."""
    return text.partition("\nStory\n")[0]


@pytest.fixture
def began(start):
    return [RunStarted(at=start, run="run-1", manifest="nightly", pid=7), WaveStarted(at=start + 1, wave=0)]


@pytest.fixture
def say(plan, began, start):
    def _say(*events, key=KEY, now=None, plan=plan, alive=True):
        return explain(plan, [*began, *events], key, start + 100 if now is None else now, alive=alive)

    return _say


def test_a_deployment_with_nothing_in_its_way_waits_for_its_turn(say):
    text = above(say())
    assert "its turn among the 4 of cloud de that wait, at most 10/min writes" in text
    assert "Until    within about 24s" in text


def test_a_later_wave_waits_for_the_gate_before_it(say, create, start):
    text = above(say(*create(KEY, start + 5), key="c3/apps/web"))
    assert (
        "its wave 'rest' to start: wave 'canary' must pass its gate first (1 of 2 ended, 0 not good, 0 allowed" in text
    )
    assert "wave 'canary' has ended and soaked 1m 00s" in text


def test_a_wave_that_soaks_names_the_time_it_ends(say, create, start):
    ended = [*create(KEY, start + 5), *create("id-1/apps/agent", start + 9)]
    text = above(say(*ended, key="c3/apps/web", now=start + 50))
    assert "2 of 2 ended, 0 not good, 0 allowed; soak 1m 00s" in text
    assert "Until    2026-01-02T03:05:45.000Z (in 50s) when its soak is over" in text


def test_a_needed_release_is_named_with_its_state(say, plan, start):
    needy = tuple(
        replace(d, release=replace(d.release, needs=("agent",))) if d.key == KEY else d for d in plan.deployments
    )
    needed = {"key": "id-1/apps/agent", "operation": Operation.CREATE}
    text = above(say(Intended(at=start + 3, attempt=1, **needed), plan=replace(plan, deployments=needy)))
    assert "release 'agent' on the same cluster, which it needs: sending" in text


def test_a_throttled_cloud_says_until_when(say, start):
    text = above(say(Throttled(at=start + 90, cloud="de", bucket="writes", wait=60.0, rate=0.1, message="10 a minute")))
    assert "cloud de: its writes are throttled: 10 a minute" in text
    assert "Until    2026-01-02T03:06:35.000Z (in 50s)" in text
    assert "throttled" not in above(say(Throttled(at=start, cloud="de", bucket="writes", wait=60.0, rate=0.1)))
    assert "throttled" not in say(Throttled(at=start + 90, cloud="nl", bucket="writes", wait=60.0, rate=0.1))


def test_a_paused_run_says_since_when_and_how_to_go_on(say, start):
    paused = Paused(at=start + 50)
    assert "an operator: the run is paused since 2026-01-02T03:04:55.000Z" in above(say(paused))
    assert "control RUN continue" in above(say(paused))
    assert "paused since" not in above(say(paused, Continued(at=start + 60)))


def test_a_halted_run_says_why_nothing_comes(say, start):
    text = above(say(Halted(at=start + 50, scope="systemic", reason="dns on 3 clusters")))
    assert "nothing: starting was halted (systemic) at 2026-01-02T03:04:55.000Z: dns on 3 clusters" in text
    assert "signal 15" in above(say(Stopping(at=start + 50, signal=15)))


def test_what_the_engine_gave_as_its_reason_is_told(say, start):
    assert "Waiting  for cluster is Upgrading" in above(
        say(Undecided(at=start + 9, key=KEY, why="cluster is Upgrading"))
    )


def test_a_busy_cluster_is_named_with_what_keeps_it_busy(say, start):
    other = Intended(at=start + 3, key="id-1/apps/agent", operation=Operation.CREATE, attempt=1)
    assert "its cluster, which is busy with agent (per_cluster 1)" in above(say(other))


def test_a_full_cloud_says_so(say, make_plan, start):
    full = CloudSpec(name="de", limits=Limits(in_flight=IntOrPercent(1)))
    plan = make_plan(3, ("web",), clouds={"de": full, "nl": CloudSpec(name="nl")})
    events = [
        Intended(at=start + 3, key="id-3/apps/web", operation=Operation.CREATE, attempt=1),
    ]
    assert "a free slot in cloud de: 1 are under way (in_flight 1)" in above(say(*events, plan=plan))


def test_a_write_on_its_way_is_read_back_after_its_timeout(say, start):
    text = above(say(Intended(at=start + 90, attempt=1, **CREATE)))
    assert "State    sending since 2026-01-02T03:05:35.000Z (10s ago)" in text
    assert "Until    2026-01-02T03:06:35.000Z (in 50s), then it is read back" in text


def test_a_refused_write_says_why_and_when_it_may_go_again(say, start):
    refused = [
        Intended(at=start + 80, attempt=1, **CREATE),
        Refused(at=start + 81, why="locked", code="CCE.01429002", wait=30.0, **CREATE),
    ]
    text = above(say(*refused))
    assert "another try of its create: locked: CCE.01429002" in text
    assert "(in 11s) at the earliest" in text
    assert "its turn to try the create again" in above(say(*refused, now=start + 500))
    assert "did not take effect" in above(say(*refused[:1], Missing(at=start + 90, **CREATE)))


def test_an_uncertain_write_is_being_read_back_until_the_grace_is_over(say, start):
    text = above(say(Intended(at=start + 80, attempt=1, **CREATE), Uncertain(at=start + 90, why="HTTP 504", **CREATE)))
    assert "State    reading back" in text
    assert "a look that shows whether the create was executed (HTTP 504)" in text
    assert "(in 50s) at the earliest, if it stays absent in 4 looks" in text


def test_a_watched_deployment_says_status_and_deadline(say, start):
    text = above(
        say(
            Intended(at=start + 10, attempt=1, **CREATE),
            Accepted(at=start + 11, **CREATE),
            Seen(at=start + 20, key=KEY, status="PENDING_INSTALL", revision=1),
        )
    )
    assert "State    watching since 2026-01-02T03:04:16.000Z (1m 29s ago)" in text
    assert "the cloud to end the create: status PENDING_INSTALL, revision 1" in text
    assert "(in 13m 31s) at the latest (timeout 15m 00s from the accepted write)" in text


def test_between_two_steps_the_next_one_is_awaited(say, start):
    text = above(
        say(
            Intended(at=start + 10, attempt=1, **CREATE),
            Accepted(at=start + 11, **CREATE),
            StepCompleted(at=start + 20, reason="deleted, now create", **CREATE),
        )
    )
    assert "the next step after its create: deleted, now create" in text


def test_an_ended_deployment_gives_outcome_reason_and_cause(plan, bad_night, start):
    text = above(explain(plan, bad_night, "c3/apps/web", start + 2000))
    assert "State    ended: timed_out, last status PENDING_INSTALL, revision 1" in text
    assert "Reason   still PENDING_INSTALL after 15m" in text
    assert "Writes   1 intended, 0 refused, 0 uncertain" in text


def test_a_run_without_a_process_says_that_nothing_moves(say, start):
    text = above(say(Intended(at=start + 10, attempt=1, **CREATE), alive=False))
    assert "Waiting  for nothing: no process is at work on this run; resume it to go on" in text
    assert "Until" not in text


def test_the_story_is_the_deployments_own_and_what_touched_it(plan, bad_night, start):
    story = explain(plan, bad_night, "id-2/apps/web", start + 2000).split("\nStory\n")[1].splitlines()
    assert [line.split("  ")[-1].strip().split(" (")[0].split(":")[0] for line in story] == [
        "run run-1 started by process 7",
        "wave 'canary' started",
        "wave 'canary' passed its gate",
        "wave 'rest' started",
        "planned",
        "upgrade is about to leave",
        "cloud nl throttled its writes for 1m 00s",
        "upgrade not executed",
        "upgrade is about to leave",
        "upgrade may have been executed",
        "read back",
        "ended",
        "run ended with exit code 4",
    ]
    assert "\x1b" not in "".join(story)


def test_a_resumed_run_shows_both_parts(say, start):
    text = say(
        Intended(at=start + 10, attempt=1, **CREATE),
        RunStarted(at=start + 60, run="run-1", manifest="nightly", pid=9, resumed=True),
    )
    assert "run run-1 started by process 7" in text
    assert "run run-1 resumed by process 9" in text


def test_the_readable_name_and_the_key_find_the_same_deployment(plan, bad_night):
    assert explain(plan, bad_night, "c2/apps/web", 1.0) == explain(plan, bad_night, "id-2/apps/web", 1.0)


@pytest.mark.parametrize(
    ("typed", "advice"),
    [
        ("c2/apps/wbe", "did you mean c2/apps/web or c2/apps/agent?"),
        ("c2", "did you mean c2/apps/web or c2/apps/agent?"),
        ("AGENT", "did you mean c1/apps/agent or c2/apps/agent or c3/apps/agent?"),
        ("id-22/apps/web", "did you mean c2/apps/web"),
        ("zzzzzzzz", "see `report RUN --format csv` for all keys"),
    ],
)
def test_an_unknown_key_brings_suggestions(plan, typed, advice):
    with pytest.raises(InputError) as caught:
        explain(plan, [], typed, 0.0)
    assert str(caught.value).startswith(f"the run has no deployment {typed!r}; {advice}")


def test_a_name_that_two_clusters_share_asks_for_the_key(make_plan):
    plan = make_plan(2, ("web",))
    twins = tuple(replace(d, cluster=replace(d.cluster, name="twin")) for d in plan.deployments)
    with pytest.raises(InputError, match="names 2 deployments; use one of their keys: id-1/apps/web, id-2/apps/web"):
        explain(replace(plan, deployments=twins), [], "twin/apps/web", 0.0)


def test_waves_and_words_of_others_stay_out_of_the_story(say, start):
    text = say(
        WavePassed(at=start + 20, wave=0),
        WaveStarted(at=start + 21, wave=1),
        Planned(at=start + 22, key="id-3/apps/web", action=Action.CREATE),
        Finished(at=start + 23, key="id-3/apps/web", outcome=Outcome.FAILED, reason="elsewhere"),
    )
    assert "'rest'" not in text
    assert "elsewhere" not in text


def test_what_a_halted_run_did_not_start_is_for_a_retry_and_an_interrupted_one_for_resume(say, start):
    halted = [Halted(at=start + 2, scope="run", reason="too many"), RunFinished(at=start + 3, exit_code=4)]
    told = "Waiting  for nothing: the run ended with exit code "
    assert f"{told}4; `retry --not-started` takes it up in a new run" in above(say(*halted))
    assert f"{told}130; resume it to go on" in above(say(RunFinished(at=start + 3, exit_code=130)))

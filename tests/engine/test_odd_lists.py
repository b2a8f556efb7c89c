"""Lists and answers that are odd, and refusals that do not pass."""

import msgspec
import pytest

from batch_deployer.model.api import ReleaseState
from batch_deployer.model.deployment import OnExisting, Parameters
from batch_deployer.rules.decide import decide
from batch_deployer.rules.observation import newest
from batch_deployer.rules.unchanged import compare


def only(make, show, plan):
    ((outcome, reason),) = make.outcomes(show, plan).values()
    return str(outcome), reason


def writes(show):
    return [called.call.kind for called in show.calls if called.call.writes]


def odd(world, **how):
    return msgspec.structs.replace(
        world, clusters=tuple(msgspec.structs.replace(cluster, **how) for cluster in world.clusters)
    )


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 3, 1)])
def test_the_highest_revision_of_a_list_counts(order):
    states = [ReleaseState(name="web", namespace="a", revision=number) for number in order]
    other = ReleaseState(name="web", namespace="b", revision=1)
    found = newest([*states, other])
    assert {key: state.revision for key, state in found.items()} == {("a", "web"): 3, ("b", "web"): 1}


def test_old_revisions_in_the_list_do_not_hide_the_newest(make, act):
    plan = make.plan(1)
    world = make.world(plan, [(plan.deployments[0], {"revision": 3, "version": "0.9.0"})])
    show = act(plan, world=odd(world, lists_revisions=True))
    assert only(make, show, plan) == ("deployed", "")
    assert show.fleet.ledger.revisions("upgrade") == {plan.deployments[0].key: [4]}


def test_a_create_refused_for_another_resource_is_sent_three_times_at_most(make, act):
    plan = make.plan(1)
    show = act(plan, world=odd(make.world(plan), occupied=("web",)))
    outcome, reason = only(make, show, plan)
    assert outcome == "rejected"
    assert "rendered manifests contain a resource that already exists" in reason
    assert writes(show) == ["create_release"] * 3


@pytest.mark.parametrize("status", ["RUNNING", "", "PENDING_UNINSTALL", "HEALTHY"])
@pytest.mark.parametrize("policy", [OnExisting.UPGRADE, OnExisting.SKIP, OnExisting.FAIL])
@pytest.mark.parametrize("version", ["1.0.0", "0.9.0"])
def test_a_release_with_an_unknown_status_word_is_left_alone_without_advice_to_delete(make, status, policy, version):
    plan = make.plan(1, spec={"on_existing": policy, "allow_destructive": True})
    state = ReleaseState(
        name="web", namespace="apps", chart_version=version, revision=1, status=status, values_json="{}"
    )
    decision = decide(
        plan.deployments[0], state, differs=lambda shown: compare(plan.deployments[0].release, "web-chart", {}, shown)
    )
    assert str(decision.action) == "blocked"
    assert "delete" not in decision.reason
    assert (f'the status "{status}"' if status else "no status") in decision.reason
    assert "left as it is" in decision.reason


@pytest.fixture(params=["kube-system", "hidden"])
def kube(make, request):
    """One deployment into a namespace that lists leave out: (plan, world with the given releases in it)."""
    plan = make.plan(1, spec={"namespace": request.param})

    def world(**running):
        releases = [(plan.deployments[0], running)] if running else []
        return odd(make.world(plan, releases), unlisted=(request.param,))

    return plan, world


def test_a_release_that_lists_leave_out_is_created_once_and_watched_at_its_own_address(make, act, kube):
    plan, world = kube
    show = act(plan, world=world())
    assert only(make, show, plan) == ("deployed", "")
    assert writes(show) == ["create_release"]
    assert show.seconds < plan.deployments[0].release.timeout


def lost(make, effect="reset", acts="at_once"):
    """The first create gets no usable answer."""
    return [make.rule(effect, acts=acts, attempts=(1,), calls=frozenset({"create_release"}))]


@pytest.mark.parametrize("effect", ["reset", "error", "html"])
def test_a_lost_create_of_a_release_that_lists_leave_out_is_not_sent_again(make, act, kube, effect):
    plan, world = kube
    show = act(plan, world=world(), faults=lost(make, effect))
    assert only(make, show, plan) == ("deployed", "")
    assert writes(show) == ["create_release"]


def test_a_create_that_was_lost_on_the_way_is_sent_again_after_its_own_address_was_read(make, act, kube):
    plan, world = kube
    show = act(plan, world=world(), faults=lost(make, acts="never"))
    assert only(make, show, plan) == ("deployed", "")
    kinds = [called.call.kind for called in show.calls]
    assert writes(show) == ["create_release"] * 2
    second = len(kinds) - 1 - kinds[::-1].index("create_release")
    assert "show_release" in kinds[:second]


def test_a_release_that_runs_as_wanted_though_no_list_shows_it_is_unchanged(make, act, kube):
    plan, world = kube
    show = act(plan, world=world(version="1.0.0"))
    assert only(make, show, plan)[0] == "unchanged"
    known = plan.deployments[0].release.namespace == "kube-system"
    assert writes(show) == ([] if known else ["create_release"])


def test_an_old_release_that_no_list_shows_is_upgraded(make, act, kube):
    plan, world = kube
    show = act(plan, world=world(version="0.9.0"))
    assert only(make, show, plan) == ("deployed", "")
    known = plan.deployments[0].release.namespace == "kube-system"
    assert writes(show) == ([] if known else ["create_release"]) + ["update_release"]


def test_a_create_with_replace_does_not_take_over_a_release_that_no_list_shows(make, act):
    plan = make.plan(1, spec={"parameters": Parameters(replace=True), "allow_destructive": True})
    world = odd(make.world(plan, [(plan.deployments[0], {"version": "1.0.0"})]), unlisted=("apps",))
    show = act(plan, world=world)
    assert only(make, show, plan)[0] == "unchanged"
    assert writes(show) == []


def test_the_cluster_is_not_listed_again_and_again_while_a_release_is_read(make, act, kube):
    plan, world = kube
    slow = make.rule("slow", seconds=25.0, calls=frozenset({"show_release"}))
    show = act(plan, world=world(), faults=[slow])
    assert only(make, show, plan) == ("deployed", "")
    assert len(show.sent("list_releases")) < 100


def test_a_rollback_deletes_a_release_that_no_list_shows(make, act):
    from batch_deployer.plan.rollback import plan_rollback

    plan = make.plan(1, spec={"namespace": "hidden"})
    show = act(plan, world=odd(make.world(plan), unlisted=("hidden",)))
    back = plan_rollback(plan, show.events, delete_created=True).plan
    after = act(back, fleet=show.fleet, epoch=show.ended_at + 60.0)
    assert only(make, after, back)[0] == "rolled_back"
    assert writes(after) == ["delete_release"]


TEMPLATES = ["web-{{ randAlphaNum 5 | lower }}", "{{ .Chart }}-web-{{ .N }}", "web-fixed"]


@pytest.fixture
def templated(make):
    """One deployment with a `name_template` that the cloud honours: (plan, world)."""

    def made(template):
        plan = make.plan(1, spec={"parameters": Parameters(name_template=template)})
        return plan, odd(make.world(plan), names_by_template=True)

    return made


@pytest.mark.parametrize("template", [*TEMPLATES, "{{ randAlpha 8 }}"])
def test_the_name_that_the_cloud_makes_from_a_template_is_followed(make, act, templated, template):
    plan, world = templated(template)
    show = act(plan, world=world)
    assert only(make, show, plan)[0] == "deployed"
    assert writes(show) == ["create_release"]
    (key,) = show.fleet.ledger.revisions("create")
    assert not key.endswith("/web")
    assert key.rpartition("/")[2] in only(make, show, plan)[1]


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_later_run_finds_the_release_that_a_template_named(make, act, templated, template):
    plan, world = templated(template)
    show = act(plan, world=world)
    again = act(plan, fleet=show.fleet, epoch=show.ended_at + 3600.0)
    assert only(make, again, plan)[0] == "unchanged"
    assert writes(again) == []


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_lost_answer_does_not_make_a_second_release_of_a_template(make, act, templated, template):
    plan, world = templated(template)
    show = act(plan, world=world, faults=lost(make))
    assert only(make, show, plan)[0] == "deployed"
    assert writes(show) == ["create_release"]


def test_a_lost_create_whose_name_nobody_knows_is_not_sent_again(make, act, templated):
    plan, world = templated("{{ randAlpha 8 }}")
    show = act(plan, world=world, faults=lost(make))
    outcome, reason = only(make, show, plan)
    assert outcome == "failed"
    assert "name_template" in reason
    assert writes(show) == ["create_release"]


@pytest.mark.parametrize("template", [*TEMPLATES, "{{ randAlpha 8 }}"])
def test_a_rollback_deletes_the_release_that_a_template_named(make, act, templated, template):
    from batch_deployer.plan.rollback import plan_rollback

    plan, world = templated(template)
    show = act(plan, world=world)
    back = plan_rollback(plan, show.events, delete_created=True).plan
    after = act(back, fleet=show.fleet, epoch=show.ended_at + 60.0)
    assert only(make, after, back)[0] == "rolled_back"
    assert show.fleet.ledger.revisions("delete").keys() == show.fleet.ledger.revisions("create").keys()


@pytest.mark.parametrize("template", [*TEMPLATES, "{{ randAlpha 8 }}"])
def test_a_resumed_run_follows_the_name_that_a_template_gave(make, act, stage, templated, template):
    plan, world = templated(template)
    whole = act(plan, world=world)
    for number in range(1, whole.entries + 1):
        died = act(plan, world=world, trap=stage.Trap(moment="entry", number=number))
        show = stage.resume(plan, died)
        assert sum(called.call.kind == "create_release" for called in [*died.calls, *show.calls]) <= 2
        assert len(show.fleet.ledger.revisions("create")) <= 1, number


@pytest.mark.parametrize("moment", ["entry", "commit", "unsent", "sent", "replied"])
@pytest.mark.parametrize("how", [{"unlisted": ("apps",)}, {"names_by_template": True}, {"lists_revisions": True}])
def test_a_killed_and_resumed_run_creates_once_and_ends_well_on_odd_clusters(make, act, stage, how, moment):
    spec = {"parameters": Parameters(name_template="web-{{ randAlpha 5 }}")} if "names_by_template" in how else {}
    plan = make.plan(1, spec=spec)
    world = odd(make.world(plan), **how)
    whole = act(plan, world=world)
    for number in range(1, max(whole.entries, len(whole.calls)) + 1):
        died = act(plan, world=world, trap=stage.Trap(moment=moment, number=number))
        if died.ending is not None:
            break
        show = stage.resume(plan, died)
        assert only(make, show, plan)[0] == "deployed", (number, only(make, show, plan))
        assert list(map(len, show.fleet.ledger.revisions("create").values())) == [1], number

"""Charts of the cloud against the manifest: contradictions, lost ids, spellings, uploads of the same version."""

import msgspec
import pytest

from batch_deployer.cli.plan_output import as_text, changes
from batch_deployer.engine.preview import Preview
from batch_deployer.model import events as e
from batch_deployer.model.deployment import Action, ChartRef
from batch_deployer.rules.decide import Decision
from batch_deployer.simulator.world.entities import SimChart

WEB = SimChart(id="c1", name="web", versions=("2.0.0",))


def played(make, act, charts, running=None, **spec):
    plan = make.plan(1, spec=spec)
    world = make.world(plan, [(plan.deployments[0], running)] if running else ())
    kept = tuple(chart for chart in world.charts if chart.versions == ("0.9.0",))
    show = act(plan, world=msgspec.structs.replace(world, charts=(*charts, *kept)))
    return show, *make.outcomes(show, plan)[plan.deployments[0].key]


@pytest.mark.parametrize("running", [None, {}])
@pytest.mark.parametrize(
    ("chart", "version", "said"),
    [
        (ChartRef(id="c1", name="mysql"), "2.0.0", "is web 2.0.0 in the cloud, not mysql"),
        (ChartRef(id="c1"), "1.0.1", "is web 2.0.0 in the cloud, not version 1.0.1"),
        (ChartRef(id="c1", name="web"), "2.0.1", "not version 2.0.1"),
    ],
)
def test_a_chart_id_that_contradicts_name_or_version_stops_before_any_write(make, act, running, chart, version, said):
    show, outcome, reason = played(make, act, [WEB], running, chart=chart, version=version)
    assert str(outcome) == "rejected"
    assert said in reason
    assert not [called for called in show.calls if called.call.writes]


@pytest.mark.parametrize("version", ["2.0.0", "2.0", "v2.0", "2", "v2.0.0"])
@pytest.mark.parametrize("chart", [ChartRef(id="c1"), ChartRef(name="web"), ChartRef(id="c1", name="web")])
def test_spellings_of_the_listed_version_name_the_chart(make, act, chart, version):
    show, outcome, _ = played(make, act, [WEB], chart=chart, version=version)
    assert str(outcome) == "deployed"
    assert show.sent("create_release")[0].call.version == "2.0.0"
    show, outcome, reason = played(
        make, act, [WEB], {"chart_id": "c1", "version": "2.0.0"}, chart=chart, version=version
    )
    assert (str(outcome), reason) == ("unchanged", "runs as wanted")
    assert not [called for called in show.calls if called.call.writes]


@pytest.mark.parametrize("chart", [ChartRef(id="C1"), ChartRef(id="C1", name="web")])
def test_an_id_in_upper_case_is_the_same_chart(make, act, chart):
    show, outcome, _ = played(make, act, [WEB], chart=chart, version="2.0.0")
    assert str(outcome) == "deployed"
    assert show.sent("create_release")[0].call.chart_id == "c1"
    assert show.of(e.Planned)[0].reason == "absent"
    assert str(played(make, act, [WEB], chart=ChartRef(id="C1", name="mysql"), version="2.0.0")[1]) == "rejected"


@pytest.mark.parametrize(
    ("name", "version", "said"),
    [
        ("web", "2.0.1", "neither chart id gone nor chart web 2.0.1 is in the cloud; it has version 0.9.0, 2.0.0"),
        ("wbe", "2.0.0", "neither chart id gone nor chart wbe 2.0.0 is in the cloud; it has version 0.9.0"),
    ],
)
def test_a_lost_id_whose_name_and_version_are_not_there_stops_before_any_write(make, act, name, version, said):
    show, outcome, reason = played(make, act, [WEB], chart=ChartRef(id="gone", name=name), version=version)
    assert (str(outcome), reason) == ("rejected", said)
    assert not [called for called in show.calls if called.call.writes]


def test_an_id_that_the_cloud_does_not_list_is_noted_in_the_plan(make, act):
    show, *_ = played(make, act, [WEB], chart=ChartRef(id="gone"), version="2.0.0")
    assert "the cloud does not list the chart id gone; it is sent as it is" in show.of(e.Planned)[0].reason


def test_a_lost_id_yields_to_name_and_version_with_a_note(make, act):
    show, outcome, _ = played(make, act, [WEB], chart=ChartRef(id="gone", name="web"), version="2.0")
    assert str(outcome) == "deployed"
    assert show.sent("create_release")[0].call.chart_id == "c1"
    assert "chart id gone is not in the cloud; web 2.0.0 is used by its name (id c1)" in show.of(e.Planned)[0].reason


@pytest.mark.parametrize(("uploaded", "told"), [(-1.0, True), (1.0, True), (-90_000.0, False)])
def test_the_same_version_uploaded_again_is_told(make, act, uploaded, told):
    chart = msgspec.structs.replace(WEB, uploaded=uploaded)
    show, outcome, _ = played(
        make, act, [chart], {"chart_id": "c1", "version": "2.0.0"}, chart=ChartRef(id="c1"), version="2.0.0"
    )
    assert str(outcome) == "unchanged"
    assert ("was uploaded again" in show.of(e.Planned)[0].reason) is told


@pytest.mark.parametrize(("note", "shown"), [("uploaded again", True), ("", False)])
def test_the_plan_shows_a_release_that_is_left_alone_only_for_its_note(make, note, shown):
    plan = make.plan(1)
    decision = Decision(action=Action.UNCHANGED, reason="runs as wanted", note=note)
    survey = Preview(decisions={plan.deployments[0].key: decision}, states={})
    assert ("runs as wanted; uploaded again" in "".join(as_text(plan, survey))) is shown
    assert changes(survey) == 0

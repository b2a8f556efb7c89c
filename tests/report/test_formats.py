"""Each format, from one bad night with a hostile server in it."""

import csv
import io
import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import jsonschema
import pytest

from batch_deployer.errors import InputError
from batch_deployer.report.document import DeploymentRow, schema
from batch_deployer.report.formats import html, markdown
from batch_deployer.report.formats.registry import FORMATS, render
from batch_deployer.report.formats.text import to_text
from batch_deployer.report.run_history import build_history
from batch_deployer.util.text import clean

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def story(plan, bad_night):
    return build_history(plan, bad_night)


def told(name, story) -> str:
    return "".join(render(name, story))


@pytest.mark.parametrize("name", FORMATS)
def test_no_control_character_of_a_server_reaches_any_format(story, name):
    text = told(name, story)
    assert all(char.isprintable() or char in "\r\n" for char in text)
    assert "cmd" in text


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_copes_with_a_run_in_which_nothing_happened(plan, name):
    assert told(name, build_history(plan, []))


def test_an_unknown_format_is_refused_with_the_known_ones(story):
    with pytest.raises(
        InputError, match="no report format 'yaml'; choose one of text, json, junit, csv, markdown, html"
    ):
        render("yaml", story)


def test_json_has_each_deployment_once_with_all_that_was_promised(story, plan):
    document = json.loads(told("json", story))
    assert [row["key"] for row in document["deployments"]] == [deployment.key for deployment in plan.deployments]
    row = document["deployments"][2]
    assert row == {
        "key": "id-2/apps/web",
        "cluster_id": "id-2",
        "cluster_name": "c2",
        "cloud": "nl",
        "namespace": "apps",
        "name": "web",
        "chart": "web-chart",
        "version": "1.2.3",
        "wave": "rest",
        "action": "upgrade",
        "outcome": "failed",
        "state": "ended",
        "status": "FAILED",
        "revision": 5,
        "attempts": 2,
        "refusals": 1,
        "uncertain": 1,
        "times": {
            "planned": "2026-01-02T03:06:26.000Z",
            "started": "2026-01-02T03:06:27.000Z",
            "accepted": "2026-01-02T03:08:35.000Z",
            "finished": "2026-01-02T03:09:05.000Z",
        },
        "epochs": {
            "planned": 1767323186.0,
            "started": 1767323187.0,
            "accepted": 1767323315.0,
            "finished": 1767323345.0,
        },
        "duration": 158.0,
        "install_duration": 30.0,
        "reason": "=cmd|' /C calc'!A0 <script>alert(\"x\")</script> & ]]> |`@team`",
        "fingerprint": "helm",
        "phase": "",
        "deferred_since": None,
        "request_ids": ["req-lost"],
    }
    assert {"version", "run", "totals", "api_calls", "limits", "deployments"} <= set(document)


def test_the_published_schema_is_that_of_the_code_and_fits_finished_and_killed_runs(plan, bad_night):
    published = json.loads((DOCS / "report.schema.json").read_text("utf-8"))
    assert published == json.loads(json.dumps(schema())), "write it anew: see docs/report.md"
    for events in (bad_night, bad_night[:12], []):
        jsonschema.validate(json.loads(told("json", build_history(plan, events))), published)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"version": 1}, published)


def test_every_key_of_the_report_is_described_in_the_docs():
    text = (DOCS / "report.md").read_text("utf-8")
    names = {name for part in schema()["$defs"].values() for name in part.get("properties", {})}
    assert not {name for name in names if f"`{name}`" not in text}


def test_junit_counts_failures_errors_and_skipped_right(plan, bad_night):
    root = ET.fromstring(told("junit", build_history(plan, bad_night)))
    assert root.attrib == {
        "name": "nightly",
        "tests": "6",
        "failures": "2",
        "errors": "0",
        "skipped": "1",
        "time": "1054.000",
    }
    assert [suite.get("name") for suite in root] == ["canary/de", "rest/de", "rest/nl"]
    for suite in root:
        for element, counter in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
            assert len(suite.findall(f"testcase/{element}")) == int(suite.get(counter))
    names = [case.get("name") for case in root.iter("testcase")]
    assert sorted(names) == sorted(deployment.key for deployment in plan.deployments)
    failed = root.find(".//testcase[@name='id-2/apps/web']/failure")
    assert "<script>" in failed.get("message")
    assert "request ids: req-lost" in failed.text


def test_junit_calls_a_deployment_left_in_flight_an_error(plan, bad_night):
    root = ET.fromstring(told("junit", build_history(plan, bad_night[:5])))
    case = root.find(".//testcase[@name='id-1/apps/web']/error")
    assert case.get("type") == "in_flight"
    assert "left in state: watching" in case.text
    assert root.get("errors") == "1"
    assert root.get("skipped") == "5"


def test_csv_is_rfc_4180_and_defuses_formulas(story, plan):
    text = told("csv", story)
    assert text.count("\r\n") == 7
    assert "\n" not in text.replace("\r\n", "")
    lines = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [line["key"] for line in lines] == [deployment.key for deployment in plan.deployments]
    assert lines[2]["reason"].startswith("'=cmd|")
    assert lines[2]["attempts"] == "2"


@pytest.mark.parametrize("first", [*"=+-@", "\uff1d", " =", "\t="])
def test_csv_defuses_each_way_to_start_a_formula(make_plan, first):
    plan = make_plan(1, (first + "1+1",))
    line = next(csv.DictReader(io.StringIO(told("csv", build_history(plan, [])), newline="")))
    assert line["name"].startswith("'")


def test_csv_has_every_key_of_a_json_row(story):
    header = next(csv.reader(io.StringIO(told("csv", story))))
    assert set(header) >= set(DeploymentRow.__struct_fields__) - {"times", "epochs"}


def test_markdown_keeps_hostile_text_in_code_spans_and_tables_whole(story):
    text = told("markdown", story)
    for line in text.splitlines():
        if line.startswith("|") and "cmd" in line:
            bare = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", line)
            assert "script" not in bare
            assert "@" not in bare
    tables = re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE)
    assert len(tables) == 6
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1


@pytest.mark.parametrize(("text", "span"), [("a", "`a`"), ("a`b", "``a`b``"), ("`", "`` ` ``"), ("", "")])
def test_a_code_span_outlasts_the_backticks_in_it(text, span):
    assert markdown.code_span(text) == span


def test_a_long_markdown_report_shows_the_bad_ones_first_and_says_what_is_left_out(make_plan, create, monkeypatch):
    monkeypatch.setattr(markdown, "_MOST_ROWS", 2)
    plan = make_plan(3, ("web",))
    text = told("markdown", build_history(plan, create("id-1/apps/web", 5.0)))
    assert "The first 2 of 3" in text
    deployments = text.split("## Deployments")[1]
    assert "`c2`" in deployments
    assert "`c3`" in deployments
    assert "`c1`" not in deployments


def test_html_escapes_the_server_and_runs_only_its_own_script(story):
    text = told("html", story)
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text
    assert text.count("<script>") == 1
    assert not re.search(r"""(?:src|href)\s*=|@import|url\(""", text)
    assert html.hashlib.sha256(text.split("<script>")[1].split("</script>")[0].encode()).digest() == (
        html.base64.b64decode(re.search(r"'sha256-([^']+)'", text)[1])
    )


def test_html_lists_every_deployment_with_its_outcome_and_a_button_for_each(story):
    text = told("html", story)
    assert len(re.findall(r'<tr data-outcome="', text)) == 6
    assert re.findall(r'<button type="button" data-outcome="(\w+)"', text) == [
        *("deployed", "unchanged", "failed", "timed_out", "not_started"),
    ]


def test_a_large_html_report_keeps_bad_rows_and_names_the_file_with_the_rest(make_plan, create, monkeypatch):
    monkeypatch.setattr(html, "_MOST_ROWS", 1)
    text = told("html", build_history(make_plan(2, ("web",)), create("id-1/apps/web", 5.0)))
    assert re.findall(r'<tr data-outcome="(\w+)"', text) == ["not_started"]
    assert "1 more good or later ones are only in report.csv" in text


def test_the_text_summary_is_exactly_this(story):
    assert "".join(to_text(story, 72)) == (Path(__file__).parent / "golden_summary.txt").read_text("utf-8")


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_the_text_summary_keeps_within_its_width(story, width):
    assert all(len(line) <= width for line in "".join(to_text(story, width)).splitlines())


@pytest.mark.parametrize(
    ("dirty", "expected"),
    [
        ("plain text", "plain text"),
        ("\x1b[31;1mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;http://x\x1b\\link", "link"),
        ("\x9b2Jgone", "gone"),
        ("two\r\nlines\tand tab", "two lines and tab"),
        ("\u202eright to left\u200b", "right to left"),
        ("lone \ud800 surrogate", "lone surrogate"),
        ("Größe 日本", "Größe 日本"),
    ],
)
def test_cleaned_text_is_one_printable_line(dirty, expected):
    assert clean(dirty) == expected


def test_cleaned_text_is_cut_to_its_limit_with_a_mark():
    assert clean("x" * 50, 10) == "x" * 9 + "…"

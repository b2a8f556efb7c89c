"""What a stranger wrote stays text: in errors, logs of CI systems, snapshots and notifications."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from batch_deployer.manifest.export import Found, take_down, to_yaml
from batch_deployer.model.api import ChartState, ClusterState, ReleaseState
from batch_deployer.model.cloud import AuthSpec, CloudSpec
from batch_deployer.util.text import clean, plain_text

HEAD = """\
name: attacked
clouds: {one: {endpoint: "http://127.0.0.1:9", project_id: p}}
clusters: [{id: 00000000-0000-4000-8000-000000000001, name: c1, cloud: one}]
releases: [{name: web, namespace: apps, chart: {name: web, version: 1.0.0}, version: 1.0.0, targets: "*"}]
"""
PRIVATE = "text-of-the-environment"
COMMANDS = [
    "::error::x",
    "::add-mask::x",
    "##vso[task.setvariable variable=a]b",
    "##[error]x",
    "::set-output name=a::b",
]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("name: web, namespace", "name: '${env:X} x', namespace"),
        ("namespace: apps", "namespace: 'A ${env:X}'"),
        ("version: 1.0.0}", "version: '/${env:X}'}"),
        ("name: attacked", "name: '${env:X} !'"),
        ('targets: "*"', "targets: {'a b': '${env:X}'}, needs: ['${env:X}']"),
        ('targets: "*"', "targets: '*', on_failure: '${env:X}'"),
        ('targets: "*"', "targets: '*', timeout: '${env:X}'"),
        ('targets: "*"', "targets: '*', max_failures: '${env:X}'"),
        ("cloud: one}", "cloud: '${env:X}'}"),
        ("project_id: p", "project_id: p, region: '/${env:X}'"),
        ("project_id: p", "project_id: p, ca_file: '${env:X}.pem'"),
        ("project_id: p", "project_id: p, limits: {writes: '${env:X}'}"),
    ],
)
def test_an_error_shows_the_text_as_it_was_written(checkout, old, new):
    """Not what the variable holds: the log of a pipeline is for other eyes."""
    assert old in HEAD
    checkout.write("m.yaml", HEAD.replace(old, new))
    done = checkout.run("validate", "m.yaml", env={"X": PRIVATE})
    assert done.returncode == 2, done.stdout
    assert PRIVATE not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "text", [*COMMANDS, "\x1b]0;title\x07", "\x1b[2Jx", "a\rb", "\u202egnp", "x\n::error::y", "\x9b31mx"]
)
@pytest.mark.parametrize("place", ["key", "name", "namespace", "word"])
def test_an_error_is_one_plain_line(checkout, text, place):
    """No escape sequence, no command to the CI system at the start of a line."""
    quoted = yaml.safe_dump(text, default_style='"', allow_unicode=False, width=10**6).strip()
    old, new = {
        "key": ("version: 1.0.0, ", f"version: 1.0.0, {quoted}: 1, "),
        "name": ("{name: web, n", f"{{name: {quoted}, n"),
        "namespace": ("namespace: apps", f"namespace: {quoted}"),
        "word": ('targets: "*"', f'targets: "*", needs: [{quoted}]'),
    }[place]
    checkout.write("m.yaml", HEAD.replace(old, new))
    done = checkout.run("validate", "m.yaml")
    assert done.returncode == 2, done.stdout
    for line in done.stderr.splitlines():
        assert line.startswith("error: ")
        assert line.isprintable()
        assert "##vso[" not in line
        assert "##[" not in line


@pytest.mark.parametrize("text", COMMANDS)
def test_a_command_to_a_ci_system_is_broken(text):
    """At the start of a line, after blanks, and for Azure anywhere."""
    for before in ("", "  "):
        shown = clean(before + text)
        assert not shown.lstrip().startswith("::")
        assert "##vso[" not in shown
        assert "##[" not in shown
    assert "##" not in text or "##vso[" not in clean(f"x {text}")


@pytest.mark.parametrize("text", ["::1", "fd00::1", "a::b", "x ## y", "# title", "std::vector"])
def test_other_text_is_left_as_it_is(text):
    """Addresses and the like."""
    assert clean(text) == text


@pytest.mark.parametrize(
    "text",
    ["@everyone", "<!channel>", "<@U1>", "<b>x</b>", "[bill](https://evil.example)", "<img src=x>", "mail a@b.example"],
)
def test_a_notification_mentions_nobody_and_holds_no_markup(text):
    """It reads the same, and means nothing to a chat."""
    shown = plain_text(text)
    assert "<" not in shown
    assert "@everyone" not in shown
    assert "@U1" not in shown
    assert "](" not in shown
    assert plain_text(shown.replace("\u200b", "")) == shown


TEXT = st.text(max_size=12) | st.sampled_from(
    [
        *COMMANDS,
        "a\nb: c",
        "\ndefaults: {on_existing: replace}\n#",
        "${env:HOME}",
        "- x",
        "\u2028",
        "\x85",
        "'",
        '"',
        "#",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


@given(
    cluster=TEXT,
    tags=st.dictionaries(TEXT, TEXT, max_size=3),
    release=TEXT | st.just("web"),
    namespace=TEXT | st.just("apps"),
    chart=TEXT | st.just("web"),
    version=TEXT | st.just("1.0.0"),
    status=TEXT | st.just("DEPLOYED"),
    values=st.dictionaries(TEXT, JSON, max_size=3),
    unread=TEXT,
)
def test_a_snapshot_is_the_tree_that_was_taken_down_whatever_a_cloud_says(
    cluster, tags, release, namespace, chart, version, status, values, unread
):
    """Notes and comments included: nothing of an answer becomes a key."""
    import json

    one = "00000000-0000-4000-8000-000000000001"
    two = "00000000-0000-4000-8000-000000000002"
    found = Found(
        spec=CloudSpec(name="c", auth=AuthSpec(method="clouds", options={"cloud": "c"})),
        clusters=[ClusterState(id=one, name=cluster, tags=tags), ClusterState(id=two, name=cluster)],
        charts=[ChartState(id="chart", name=chart, version=version)],
        releases={
            one: [
                ReleaseState(
                    name=release,
                    namespace=namespace,
                    cluster_id=one,
                    chart_name=chart,
                    chart_version=version,
                    status=status,
                    values_json=json.dumps(values),
                )
            ]
        },
        unread={two: unread},
    )
    snapshot = take_down("snapshot", [found])
    text = to_yaml(snapshot, "2026-01-01 00:00:00Z")
    assert yaml.load(text, Loader=yaml.SafeLoader) == snapshot.manifest
    comments = text[: text.index('"name"')].splitlines()
    assert all(line.startswith("#") and line.isprintable() for line in comments)

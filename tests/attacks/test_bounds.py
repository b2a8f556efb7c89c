"""Small files that would expand to far too much end with one clear error within seconds."""

import os
import resource
import subprocess
import sys
import time
import uuid

import pytest

SECONDS = 30
"""An error must come within seconds; a busy machine with two processors gets some more."""
MEMORY = 3 * 1024**3
MAX_OUTPUT = 100_000

HEAD = "name: x\nclouds: {c: {cloud: otc}}\n"
TABLE = "clusters: [{from: clusters.csv, cloud: c}]\n"
CHART = "chart: {name: web, version: 1.0.0}"
ONE = f'releases: [{{name: web, {CHART}, targets: "*"}}]\n'


def clusters(number, tag=""):
    rows = (f"{uuid.UUID(int=n + 1)},c{n},{tag or n}" for n in range(number))
    return "id,name,tags.t\n" + "\n".join(rows) + "\n"


def releases(number):
    return "releases:\n" + "".join(f'  - {{name: r{n}, {CHART}, targets: "*"}}\n' for n in range(number))


def one(values="{}", more=""):
    return f'releases: [{{name: web, {CHART}, targets: "*", values: {values}{more}}}]\n'


def aliases():
    anchor = "base: &t " + "x" * 1_000_000
    return f"values: {{{anchor}, all: [{', '.join(['*t'] * 900_000)}]}}"


@pytest.fixture
def call(tmp_path):
    """Call the program in a process of bounded memory: (exit code, stderr, seconds)."""

    def run(manifest, files=None, command="validate", more=(), **variables):
        (tmp_path / "m.yaml").write_text(manifest)
        for name, text in (files or {}).items():
            (tmp_path / name).write_text(text)
        begun = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "batch_deployer", command, "m.yaml", *more],
            cwd=tmp_path,
            env={**os.environ, "BATCH_DEPLOYER_STATE_DIR": str(tmp_path / "state"), **variables},
            capture_output=True,
            text=True,
            check=False,
            timeout=200,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY)),
        )
        return done.returncode, done.stderr, time.monotonic() - begun

    return run


CASES = {
    "pairs by targets": (
        HEAD + TABLE + releases(3000),
        {"clusters.csv": clusters(6400)},
        "more than 200,000 deployments",
    ),
    "rows": (
        HEAD + TABLE + ONE + "deployments: [{from: pairs.csv}]\n",
        {"clusters.csv": clusters(2), "pairs.csv": "cluster,release\n" + "c0,web\n" * 300_100},
        "a table may have 300,000 rows",
    ),
    "values of YAML": (HEAD + "deployments:\n" + "- a\n" * 3_000_000, {}, "the file holds more than 2,000,000 values"),
    "values of JSON": ('{"deployments": [' + "1," * 3_000_000 + "1]}", {}, "the file holds more than 2,000,000 values"),
    "many tables": (
        HEAD + TABLE + ONE + "deployments: [" + ", ".join(["{from: pairs.csv}"] * 20_000) + "]\n",
        {"clusters.csv": clusters(2), "pairs.csv": "cluster,release\n" + "c0,web\n" * 1000},
        "the tables before this one have more than 300,000 rows",
    ),
    "releases that match nothing": (
        HEAD + TABLE + releases(20_000).replace('targets: "*"', "targets: {t: none}"),
        {"clusters.csv": clusters(20_000)},
        "20,000 releases with targets on 20,000 clusters are more than a run can be planned for",
    ),
    "a values file many times": (
        HEAD + TABLE + one(more=", values_files: [" + ", ".join(["v.yaml"] * 20_000) + "]"),
        {"clusters.csv": clusters(2), "v.yaml": "".join(f"k{n}: {n}\n" for n in range(100_000))},
        "with this the values of all releases are longer than 256 MiB",
    ),
    "values of defaults": (
        HEAD + TABLE + 'defaults: {release: {values: {a: "' + "x" * 1_000_000 + '"}}}\n' + releases(5000),
        {"clusters.csv": clusters(2)},
        "with this the values of all releases are longer than 256 MiB",
    ),
    "values of each cluster": (
        HEAD + TABLE + one('{a: "${cluster.name}", b: "' + "x" * 1_000_000 + '"}'),
        {"clusters.csv": clusters(20_000)},
        "are longer than 256 MiB",
    ),
    "a tag many times": (
        HEAD + TABLE + one('{a: "' + "${cluster.tags.t}" * 20_000 + '"}'),
        {"clusters.csv": clusters(2, tag="x" * 100_000)},
        "bring more than 16,777,216 characters",
    ),
    "an alias to a long text": (
        HEAD + "clusters: [{id: 00000000-0000-0000-0000-000000000001, name: c, cloud: c}]\nreleases:\n"
        f'  - {{name: web, {CHART}, targets: "*", {aliases()}}}\n',
        {},
        "the aliases of this file expand to far too much",
    ),
    "waves": (
        HEAD
        + TABLE
        + ONE
        + "rollout: {waves: ["
        + ", ".join(f"{{name: w{n}, count: 1}}" for n in range(60_000))
        + "]}\n",
        {"clusters.csv": clusters(100)},
        "there are 60,000 waves; a run may have 1,000",
    ),
    "a spread wave": (
        HEAD + TABLE + ONE + "rollout: {waves: [{name: w, spread: t}]}\n",
        {"clusters.csv": clusters(5000, tag="same")},
        "the manifest has 5,000 waves; a run may have 1,000",
    ),
    "a rate": (
        HEAD + TABLE + ONE + f"limits: {{writes: '{'9' * 400_000}/s'}}\n",
        {"clusters.csv": clusters(2)},
        "is not a rate",
    ),
    "a rate's period": (
        HEAD + TABLE + ONE + f"limits: {{writes: '1/{'9' * 400_000}s'}}\n",
        {"clusters.csv": clusters(2)},
        "is not a rate",
    ),
    "a rate that is none": (
        HEAD + TABLE + ONE + f"limits: {{writes: {'x' * 400_000}/s}}\n",
        {"clusters.csv": clusters(2)},
        "is not a rate",
    ),
    "a share": (
        HEAD + TABLE + ONE + f"rollout: {{max_failures: '{'9' * 400_000}'}}\n",
        {"clusters.csv": clusters(2)},
        "neither a whole number nor a percentage",
    ),
    "a duration": (
        HEAD + TABLE + ONE + f"deadline: '{'9' * 400_000}h'\n",
        {"clusters.csv": clusters(2)},
        "is not a duration",
    ),
    "a long unknown word": (
        HEAD + TABLE + ONE + f"? {'rollou' * 100_000}\n: {{}}\n",
        {"clusters.csv": clusters(2)},
        "unknown key",
    ),
    "a long unknown name": (
        HEAD + TABLE + ONE + f"deployments: [{{cluster: c1, release: {'web' * 100_000}}}]\n",
        {"clusters.csv": clusters(2)},
        "unknown release",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_would_expand_to_far_too_much_is_an_error_within_seconds(call, case):
    manifest, files, said = CASES[case]
    code, err, took = call(manifest, files)
    assert (code, said in err) == (2, True), err[:2000]
    assert took < SECONDS
    assert len(err) < MAX_OUTPUT
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "where",
    [
        "seed: N",
        "systemic: N",
        "max_failures: N",
        "waves: [{name: w, count: N}]",
        "waves: [{name: w, parts: N, spread: t}]",
    ],
)
def test_a_number_that_nobody_can_mean_is_an_error(call, where):
    manifest = HEAD + TABLE + ONE + f"rollout: {{{where.replace('N', '1' + '0' * 30)}}}\n"
    code, err, _ = call(manifest, {"clusters.csv": clusters(2)})
    assert (code, err.count("error: m.yaml:5:")) == (2, 1), err


def test_a_variable_many_times_is_an_error_within_seconds(call):
    manifest = HEAD + TABLE + one('{a: ["' + '", "'.join(["${env:BIG}"] * 20_000) + '"]}')
    code, err, took = call(manifest, {"clusters.csv": clusters(2)}, BIG="x" * 100_000)
    assert (code, "the placeholders bring more than 256 MiB of text" in err) == (2, True), err[:2000]
    assert took < SECONDS


def test_a_rehearsal_of_too_many_clusters_is_an_error_within_seconds(call):
    manifest = HEAD + TABLE + releases(10)
    code, err, took = call(manifest, {"clusters.csv": clusters(10)}, "rehearse", ("--clusters", "90000"))
    assert (code, "makes 900,000 deployments; a run may have 200,000" in err) == (2, True), err[:2000]
    assert took < SECONDS


def test_many_needs_of_a_large_manifest_are_checked_within_seconds(call):
    needing = "".join(f'  - {{name: n{n}, {CHART}, targets: "*", needs: [r0]}}\n' for n in range(3000))
    code, err, took = call(HEAD + TABLE + releases(1) + needing, {"clusters.csv": clusters(60)})
    assert code == 0, err[:2000]
    assert took < 2 * SECONDS

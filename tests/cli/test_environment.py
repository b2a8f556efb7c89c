"""Variables that set options: Kubernetes' own, misspelt and empty ones; and empty values on the command line."""

import pytest

from batch_deployer.cli.main import main

SERVICE = {
    "SERVICE_HOST": "10.0.0.7",
    "SERVICE_PORT": "8443",
    "SERVICE_PORT_HTTPS": "8443",
    "PORT": "tcp://10.0.0.7:8443",
    "PORT_8443_TCP": "tcp://10.0.0.7:8443",
    "PORT_8443_TCP_PROTO": "tcp",
    "PORT_8443_TCP_PORT": "8443",
    "PORT_8443_TCP_ADDR": "10.0.0.7",
}


@pytest.fixture
def call(tmp_path, monkeypatch, capfd):
    """Call the program with variables: (exit code, stderr)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BATCH_DEPLOYER_STATE_DIR", str(tmp_path / "state"))

    def make(*arguments, **variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        capfd.readouterr()
        code = main([str(argument) for argument in arguments])
        return code, capfd.readouterr().err

    return make


@pytest.mark.parametrize(
    "service", ["BATCH_DEPLOYER", "BATCH_DEPLOYER_SIMULATOR", "BATCH_DEPLOYER_RUN", "BATCH_DEPLOYER_X"]
)
def test_the_variables_of_a_kubernetes_service_are_not_warned_of(call, service):
    assert call("schema", **{f"{service}_{name}": value for name, value in SERVICE.items()}) == (0, "")


@pytest.mark.parametrize(
    ("variable", "value", "option", "arguments"),
    [
        ("BATCH_DEPLOYER_SIMULATOR_PORT", "tcp://10.0.0.7:8443", "--port", ("simulator", "--faults", "nowhere")),
        ("BATCH_DEPLOYER_SIMULATOR_HOST", "udp://10.0.0.7:53", "--host", ("simulator", "--faults", "nowhere")),
        ("BATCH_DEPLOYER_RUN_DEADLINE", "tcp://[fd00::7]:8443", "--deadline", ("run", "nowhere.yaml")),
        ("BATCH_DEPLOYER_STATE_DIR", "tcp://10.0.0.7:8443", "--state-dir", ("status", "latest")),
        ("BATCH_DEPLOYER_RUN_PLAN", "tcp://10.0.0.7:8443", "--plan", ("run", "nowhere.yaml")),
    ],
)
def test_a_service_address_is_ignored_with_a_note(call, monkeypatch, tmp_path, variable, value, option, arguments):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    code, err = call(*arguments, **{variable: value})
    assert f"note: {variable}={value} is ignored: Kubernetes sets it for a Service of that name; use {option}" in err
    assert "Invalid value" not in err
    assert code == 2
    assert not list(tmp_path.glob("tcp*"))


@pytest.mark.parametrize(
    ("variable", "suggestion"),
    [
        ("BATCH_DEPLOYER_RUN_DEADLNE", "BATCH_DEPLOYER_RUN_DEADLINE"),
        ("BATCH_DEPLOYER_RUN_DEAD_LINE", "BATCH_DEPLOYER_RUN_DEADLINE"),
        ("BATCH_DEPLOYER_STATEDIR", "BATCH_DEPLOYER_STATE_DIR"),
        ("BATCH_DEPLOYER_DEADLINE", "BATCH_DEPLOYER_RUN_DEADLINE"),
        ("BATCH_DEPLOYER_METRICS_FILE", "BATCH_DEPLOYER_RUN_METRICS_FILE"),
        ("BATCH_DEPLOYER_PLAN_KEYS", "BATCH_DEPLOYER_PLAN_KEY"),
        ("BATCH_DEPLOYER_RUN_YESS", "BATCH_DEPLOYER_RUN_YES"),
    ],
)
def test_a_misspelt_variable_is_warned_of_with_a_suggestion(call, variable, suggestion):
    code, err = call("schema", **{variable: "x"})
    assert (code, err) == (0, f"warning: the variable {variable} sets nothing; did you mean {suggestion}?\n")


def test_what_is_like_no_variable_is_warned_of_without_a_suggestion(call):
    assert call("schema", BATCH_DEPLOYER_QQQ="x") == (0, "warning: the variable BATCH_DEPLOYER_QQQ sets nothing\n")


def test_variables_of_other_commands_and_programs_are_not_warned_of(call):
    names = [
        "BATCH_DEPLOYER_RUN_DEADLINE",
        "BATCH_DEPLOYER_RUN_WAVE",
        "BATCH_DEPLOYER_PLAN_FORMAT",
        "OTHER_BATCH",
        "BATCH",
    ]
    assert call("schema", **dict.fromkeys(names, "x")) == (0, "")


@pytest.mark.parametrize(
    ("variable", "value", "arguments"),
    [
        ("BATCH_DEPLOYER_SIMULATOR_PORT", "http", ("simulator",)),
        ("BATCH_DEPLOYER_RUN_DEADLINE", "soon", ("run", "m.yaml")),
        ("BATCH_DEPLOYER_RUN_WINDOW", "never", ("run", "m.yaml")),
        ("BATCH_DEPLOYER_LOG_FORMAT", "xml", ("run", "m.yaml")),
        ("BATCH_DEPLOYER_PLAN_FORMAT", "xml", ("plan", "m.yaml")),
        ("BATCH_DEPLOYER_RUN_MAP", "old", ("run", "m.yaml")),
    ],
)
def test_an_error_about_a_variable_s_value_names_the_variable(call, variable, value, arguments):
    code, err = call(*arguments, **{variable: value})
    assert code == 2
    assert f"(the value is from the variable {variable})" in err


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        (
            "BATCH_DEPLOYER_RUN_EXCLUDE",
            "wbe",
            '--exclude "wbe" matches no deployment of the manifest; did you mean "web"? (--exclude is set by',
        ),
        ("BATCH_DEPLOYER_RUN_WAVE", "canry", 'unknown wave "canry"; did you mean "canary"? (--wave is set by'),
        (
            "BATCH_DEPLOYER_RUN_PLAN",
            "nowhere.plan",
            "nowhere.plan cannot be read: no such file or directory (--plan is set by",
        ),
        (
            "BATCH_DEPLOYER_RUN_PING",
            "ftp://x/secret",
            "for example https://hc-ping.com/your-check-uuid (--ping is set by",
        ),
        ("BATCH_DEPLOYER_RUN_PROFILE", "nope", "(--profile is set by"),
        ("BATCH_DEPLOYER_RUN_MAX_WRITES", "1/min", "(--max-writes is set by"),
    ],
)
def test_a_fault_about_what_a_variable_set_names_the_variable(project, monkeypatch, variable, value, said):
    monkeypatch.setenv(variable, value)
    code, _, err = project.run("run", "m.yaml", "--yes")
    assert code == 2
    assert f"{said} the variable {variable})" in err
    assert "secret" not in err


def test_a_fault_about_what_the_command_line_set_names_no_variable(project, monkeypatch):
    monkeypatch.setenv("BATCH_DEPLOYER_RUN_EXCLUDE", "db")
    code, _, err = project.run("run", "m.yaml", "--yes", "--exclude", "wbe")
    assert (code, "variable" in err) == (2, False)


EMPTY = [
    ("run", "m.yaml", "--state-dir"),
    ("run", "m.yaml", "--report"),
    ("run", "m.yaml", "--metrics-file"),
    ("run", "m.yaml", "--map-file"),
    ("run", "m.yaml", "--plan"),
    ("run", "m.yaml", "--run-id"),
    ("run", "m.yaml", "--ping"),
    ("run", "m.yaml", "--notify"),
    ("run", "m.yaml", "--profile"),
    ("run", "m.yaml", "--simulate", "--faults"),
    ("plan", "m.yaml", "--out"),
    ("resume", "latest", "--report"),
    ("rollback", "latest", "--metrics-file"),
    ("snapshot", "otc", "--output"),
    ("snapshot", "otc", "--output", "x", "--manifest"),
    ("simulator", "--ledger-file"),
    ("simulator", "--manifest"),
    ("prune", "--state-dir"),
]


@pytest.mark.parametrize("arguments", EMPTY, ids=" ".join)
@pytest.mark.parametrize("value", ["", " "])
def test_an_empty_value_is_an_error_and_not_the_working_folder(call, tmp_path, arguments, value):
    *rest, option = arguments
    for given in ([option, value], [f"{option}={value}"]):
        code, err = call(*rest, *given)
        assert (code, err) == (
            2,
            f'error: {option} "{value}" is empty; give it a value or leave it out\n',
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments", [("validate", ""), ("resume", ""), ("explain", "latest", ""), ("diff", "", "latest")]
)
def test_an_empty_argument_is_an_error(call, arguments):
    code, err = call(*arguments)
    assert code == 2
    assert "is empty; give it a value or leave it out" in err


@pytest.mark.parametrize(
    ("variable", "option", "arguments"),
    [
        ("BATCH_DEPLOYER_STATE_DIR", "--state-dir", ("runs",)),
        ("BATCH_DEPLOYER_RUNS_STATE_DIR", "--state-dir", ("runs",)),
        ("BATCH_DEPLOYER_RUN_REPORT", "--report", ("run", "m.yaml")),
        ("BATCH_DEPLOYER_PLAN_OUT", "--out", ("plan", "m.yaml")),
        ("BATCH_DEPLOYER_RUN_METRICS_FILE", "--metrics-file", ("run", "m.yaml")),
        ("BATCH_DEPLOYER_RUN_PLAN", "--plan", ("run", "m.yaml")),
        ("BATCH_DEPLOYER_RUN_EXCLUDE", "--exclude", ("run", "m.yaml")),
        ("BATCH_DEPLOYER_SNAPSHOT_OUTPUT", "--output", ("snapshot", "otc")),
    ],
)
@pytest.mark.parametrize("value", ["", "  "])
def test_an_empty_variable_is_an_error(call, variable, option, arguments, value):
    code, err = call(*arguments, **{variable: value})
    assert (code, err) == (2, f"error: the variable {variable} is empty; set it to a value for {option}, or unset it\n")


def test_an_option_is_set_by_the_variable_of_its_own_name(project, monkeypatch):
    monkeypatch.setenv("BATCH_DEPLOYER_RUN_WAVE", "canary")
    monkeypatch.setenv("BATCH_DEPLOYER_RUN_YES", "1")
    assert project.run("run", "m.yaml")[0] == 0
    assert len(project.provider.ledger()["creates"]) == 2
    monkeypatch.delenv("BATCH_DEPLOYER_RUN_WAVE")
    monkeypatch.setenv("BATCH_DEPLOYER_RUN_PLAN", "nowhere.plan")
    assert "nowhere.plan" in project.run("run", "m.yaml")[2]

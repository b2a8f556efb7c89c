"""The import law, kept: contracts of import-linter, and pure modules that load nothing impure."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
IMPURE = {"asyncio", "anyio", "aiohttp", "sqlite3", "structlog", "click", "rich", "pydantic", "socket", "threading"}
PURE = (
    "errors",
    "settings",
    "model.api",
    "model.deployment",
    "model.events",
    "model.helm_values",
    "plan.retry",
    "app.time_scale",
    "plan.plan",
    "plan.rollback",
    "ports",
    "rules.poll_schedule",
    "rules.adaptive_limit",
    "rules.decide",
    "rules.failure_budget",
    "rules.lifecycle",
    "rules.moving_window",
    "rules.rate_limit",
    "rules.rate_policy",
    "rules.spacing",
    "rules.responses",
    "rules.retry",
    "rules.waves",
    "rules.maintenance_window",
)


def lint(folder):
    """Run the contracts on a tree; (exit code, what was said)."""
    command = [Path(sys.executable).parent / "lint-imports", "--config", "pyproject.toml", "--no-cache", "--no-logo"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_every_import_contract_is_kept():
    code, said = lint(ROOT)
    assert code == 0, said
    assert "0 broken" in said


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("rules/failure_budget.py", "import sqlite3", "Third parties"),
        ("rules/retry.py", "import random", "Values, rules"),
        ("engine/write.py", "import batch_deployer.transport.http_api", "The data's way"),
        ("engine/deployment_state.py", "import batch_deployer.engine.scheduler", "Inside the engine"),
        ("report/run_history.py", "import batch_deployer.state.state_dir", "The data's way"),
        ("util/text.py", "import batch_deployer.settings", "The data's way"),
        ("settings.py", "import batch_deployer.model.deployment", "The data's way"),
    ],
)
def test_a_planted_offence_breaks_a_contract(tmp_path, module, line, contract):
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "batch_deployer", tmp_path / "batch_deployer", ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    path = tmp_path / "batch_deployer" / module
    path.write_text(path.read_text() + f"\n{line}\n")
    code, said = lint(tmp_path)
    assert code == 1
    assert f"{contract}" in said.partition("Broken contracts")[2]


@pytest.mark.parametrize("module", PURE)
def test_a_pure_module_loads_nothing_impure(module):
    code = f"import sys, batch_deployer.{module}; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert IMPURE & set(done.stdout.split()) == set()


def test_help_loads_no_library_but_click():
    """A command line that starts slowly is felt at each completion and each `--help`."""
    code = (
        "import sys, contextlib\n"
        "from batch_deployer.cli.main import main\n"
        "with contextlib.suppress(SystemExit): main(['--help'])\n"
        "print(*sorted(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    roots = {name.partition(".")[0] for name in done.stderr.split()}
    assert not roots & {"aiohttp", "anyio", "jinja2", "msgspec", "pydantic", "rich", "structlog", "yaml"}

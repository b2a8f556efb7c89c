"""Files of the working folder never run as code, and child processes hold no credential."""

import json

import pytest

COMMANDS = {
    "rehearse": ("rehearse", "m.yaml", "--runs", "2"),
    "run --simulate": ("run", "m.yaml", "--simulate", "--yes", "--speed", "600"),
}
MODULES = ("multiprocessing", "uvloop", "msgspec", "batch_deployer", "asyncio", "json", "sitecustomize", "runpy")


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_a_module_in_the_working_folder_is_not_imported(checkout, tmp_path, command):
    """A pull request holds modules named like those that children import."""
    proof = tmp_path / "ran"
    for name in MODULES:
        checkout.write(f"{name}.py", f"open({str(proof)!r}, 'a').write(__name__ + ' ')\nraise SystemExit(9)\n")
    done = checkout.run(*command, "--state-dir", str(tmp_path / "state"))
    assert not proof.exists(), proof.read_text()
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_a_child_holds_no_credential(checkout, tmp_path, command):
    """Each interpreter writes its environment down as it starts; only the parent has the password."""
    spy = tmp_path / "spy"
    spy.mkdir()
    log = tmp_path / "log"
    line = "f.write(json.dumps(dict(os.environ)) + '\\n')"
    (spy / "sitecustomize.py").write_text(f"import json, os\nwith open({str(log)!r}, 'a') as f: {line}\n")
    done = checkout.run(*command, "--state-dir", str(tmp_path / "state"), env={"PYTHONPATH": str(spy)})
    assert done.returncode == 0, done.stderr
    parent, *children = map(json.loads, log.read_text().splitlines())
    assert parent["OS_PASSWORD"]
    assert children
    for child in children:
        assert "of-the-operator" not in json.dumps(child)

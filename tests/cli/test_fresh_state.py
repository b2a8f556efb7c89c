"""A fresh state folder on a CI runner is told; anywhere else, and the second time, it is not."""

TOLD = "is new, so no other run's lock, journal or learned rate is known here"


def test_a_fresh_state_folder_is_told_where_ci_runs(project, monkeypatch):
    monkeypatch.setenv("CI", "true")
    assert TOLD in project.run("run", "m.yaml", "--yes")[2]
    assert TOLD not in project.run("run", "m.yaml", "--yes")[2]


def test_it_is_not_told_elsewhere(project, monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    assert TOLD not in project.run("run", "m.yaml", "--yes")[2]
    monkeypatch.setenv("CI", "true")
    code, _, err = project.run("run", "m.yaml", "--simulate", "--speed", "600", "--state-dir", "other")
    assert (code, TOLD in err) == (0, False)

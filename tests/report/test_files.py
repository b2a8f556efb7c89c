"""Report files: whole, private, and each for itself."""

import stat

import pytest

from batch_deployer.errors import InputError
from batch_deployer.report import files, rows
from batch_deployer.report.files import FILES, check_folder, write_reports, write_whole
from batch_deployer.report.run_history import build_history


@pytest.fixture
def story(plan, bad_night):
    return build_history(plan, bad_night)


def mode(path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_report_folder_holds_every_file_and_is_private(story, tmp_path):
    folder = tmp_path / "new" / "report"
    written = write_reports(story, [folder])
    assert written.problems == ()
    assert {path.name for path in folder.iterdir()} == set(FILES)
    assert [mode(path) for path in (folder.parent, folder)] == [0o700, 0o700]
    assert {mode(path) for path in folder.iterdir()} == {0o600}


def test_the_mode_of_a_folder_that_is_there_is_left_alone(story, tmp_path):
    tmp_path.chmod(0o755)
    write_reports(story, [tmp_path])
    assert mode(tmp_path) == 0o755


def test_a_folder_that_cannot_be_written_is_told_and_the_others_are_written(story, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    written = write_reports(story, [blocked, blocked / "below", tmp_path / "good"])
    assert len(written.files) == len(FILES)
    assert len(written.problems) == 2
    assert written.problems[0] == f"no report in {blocked}: it is a file; choose another folder with --report"


def test_one_file_that_cannot_be_written_leaves_the_others(story, tmp_path):
    (tmp_path / "report.csv").mkdir()
    written = write_reports(story, [tmp_path])
    assert len(written.files) == len(FILES) - 1
    assert [fault for fault in written.problems if "report.csv is not written" in fault]
    assert not list(tmp_path.glob(".*"))


def test_a_second_folder_gets_the_same_files_without_telling_the_story_again(story, tmp_path, monkeypatch):
    told = []
    render = files.render
    monkeypatch.setattr(files, "render", lambda kind, *given: told.append(kind) or render(kind, *given))
    (tmp_path / "a" / "report.csv").mkdir(parents=True)
    written = write_reports(story, [tmp_path / "a", tmp_path / "b"])
    assert sorted(told) == sorted([*FILES.values(), "csv"])
    assert len(written.files) == 2 * len(FILES) - 1
    for name in set(FILES) - {"report.csv"}:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_all_files_are_told_from_one_row_a_deployment(story, plan, tmp_path, monkeypatch):
    made = []
    row = rows.row
    monkeypatch.setattr(rows, "row", lambda story, record: made.append(record.deployment.key) or row(story, record))
    write_reports(story, [tmp_path])
    assert sorted(made) == sorted(deployment.key for deployment in plan.deployments)


def test_the_rows_of_a_large_fleet_are_made_anew_for_each_file_so_that_they_need_not_be_kept(
    story, plan, tmp_path, monkeypatch
):
    made = []
    row = rows.row
    monkeypatch.setattr(rows, "row", lambda story, record: made.append(record.deployment.key) or row(story, record))
    monkeypatch.setattr(rows, "_KEPT", 1)
    write_reports(story, [tmp_path])
    assert len(made) > 2 * len(plan.deployments)


def test_a_write_that_fails_halfway_leaves_the_old_file_and_no_rubbish(tmp_path):
    path = tmp_path / "report.json"
    path.write_text("old")

    def pieces():
        yield "half"
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_whole(path, pieces())
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_is_synced_before_it_takes_its_name(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(
        files.os, "fsync", lambda _handle: seen.append(sorted(path.name for path in tmp_path.iterdir()))
    )
    write_whole(tmp_path / "a", ["text"])
    assert len(seen) == 2
    assert seen[0] != ["a"]
    assert seen[1] == ["a"]


def test_a_report_folder_is_checked_before_a_run_depends_on_it(tmp_path):
    check_folder(tmp_path / "fresh")
    (tmp_path / "file").write_text("")
    with pytest.raises(
        InputError, match=r"no report can be written to .*file: it is a file; choose another with --report"
    ):
        check_folder(tmp_path / "file")

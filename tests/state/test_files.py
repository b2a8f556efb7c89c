"""Files and folders for their owner only."""

import os
import stat

import pytest

from batch_deployer.util import files


@pytest.fixture
def umask():
    """`umask(0o277)`: set for the rest of the test."""
    old = os.umask(0)
    os.umask(old)
    yield os.umask
    os.umask(old)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("bits", [0o000, 0o277, 0o777])
def test_what_is_made_is_its_owners_whatever_the_umask(tmp_path, umask, bits):
    umask(bits)
    files.make_folder(tmp_path / "folder")
    files.touch(tmp_path / "folder" / "empty")
    files.write(tmp_path / "folder" / "full", "text")
    assert mode(tmp_path / "folder") == 0o700
    assert {mode(path) for path in (tmp_path / "folder").iterdir()} == {0o600}


def test_touching_a_file_that_is_there_changes_nothing(tmp_path):
    path = tmp_path / "file"
    path.write_text("text")
    path.chmod(0o640)
    files.touch(path)
    assert (path.read_text(), mode(path)) == ("text", 0o640)


def test_a_file_that_could_not_be_written_keeps_its_old_text_and_leaves_no_rest(tmp_path, monkeypatch):
    path = tmp_path / "file"
    files.write(path, "old")

    def refuse(handle):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("os.fsync", refuse)
    with pytest.raises(OSError, match="No space"):
        files.write(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]

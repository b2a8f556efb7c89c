"""Digests of values: the same for all runs of a folder, of no use without its key."""

import hashlib
import os
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from batch_deployer.errors import InputError
from batch_deployer.state.secret_digests import ValueDigests
from batch_deployer.state.state_dir import StateDir


def test_all_runs_of_a_folder_share_one_key_that_only_its_owner_reads(tmp_path):
    old = os.umask(0)
    try:
        digest = StateDir(tmp_path / "state").value_digest
        first = digest("values")
    finally:
        os.umask(old)
    key = tmp_path / "state/key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert StateDir(tmp_path / "state").value_digest("values") == first == digest("values")
    assert digest("other") != first
    assert len(first) == 32 + 1 + 8
    assert digest("other").partition("-")[2] == first.partition("-")[2]


def test_another_folder_has_another_key_and_no_digest_can_be_guessed(tmp_path):
    one, other = (ValueDigests(tmp_path / name)("values") for name in ("one", "other"))
    assert one.partition("-")[0] != other.partition("-")[0]
    assert one.partition("-")[2] != other.partition("-")[2]
    assert one[:32] not in {hashlib.new(name, b"values").hexdigest()[:32] for name in ("md5", "sha1", "sha256")}


def test_of_many_that_start_at_once_one_makes_the_key(tmp_path):
    with ThreadPoolExecutor(16) as pool:
        found = set(pool.map(lambda _: ValueDigests(tmp_path / "key")("values"), range(64)))
    assert len(found) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


@pytest.mark.parametrize("text", ["", "no hex", "00", "é"])
def test_a_damaged_key_is_told_and_never_replaced(tmp_path, text):
    path = tmp_path / "key"
    path.write_text(text)
    with pytest.raises(InputError, match="is damaged; restore it"):
        ValueDigests(path)("values")
    assert path.read_text() == text


def test_a_key_that_cannot_be_read_is_told(tmp_path):
    (tmp_path / "key").mkdir()
    with pytest.raises(InputError, match="cannot use the key of the state folder"):
        ValueDigests(tmp_path / "key")("values")

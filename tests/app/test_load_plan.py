"""Replacement clusters from the command line and from a file."""

import pytest

from batch_deployer.app.load_plan import read_map
from batch_deployer.errors import InputError


def test_pairs_and_a_file_are_taken_together(tmp_path):
    file = tmp_path / "map.csv"
    file.write_text("old,new\nb, c\n\n")
    assert read_map([("a", "z")], file) == {"a": "z", "b": "c"}


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("a,b\nc,d\n", ["{file}:1: the first line must be `old,new`"]),
        ("old,new\na\nb,\n", ["{file}:2: write two clusters, old and new, in each line",
                              "{file}:3: write two clusters, old and new, in each line"]),
        ("old,new\na,b\na,c\n", ["{file}:3: a is mapped twice"]),
    ],
)  # fmt: skip
def test_every_fault_of_a_file_is_told_with_its_line(tmp_path, text, faults):
    file = tmp_path / "map.csv"
    file.write_text(text)
    with pytest.raises(InputError) as caught:
        read_map([], file)
    assert [str(fault) for fault in caught.value.diagnostics] == [fault.format(file=file) for fault in faults]


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"map.csv: cannot be read: No such file"):
        read_map([], tmp_path / "map.csv")


def test_a_cluster_mapped_twice_on_the_command_line_is_a_fault():
    with pytest.raises(InputError, match="--map: a is mapped twice"):
        read_map([("a", "b"), ("a", "c")], None)

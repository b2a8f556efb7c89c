"""Which cluster writes next: waves, then priorities, then the longest chain, then what has begun, then who came first."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_deployer.rules.write_priority import batches_left, write_priority


def a_rank(**how):
    wave, priority = how.pop("wave", 0), how.pop("priority", 0)
    return write_priority(wave, priority, **({"batches_left": 1, "refused": 0, "begun": False, "arrived": 0} | how))


@pytest.mark.parametrize(
    ("left", "cap", "times"), [(0, 1, 0), (1, 1, 1), (10, 1, 10), (10, 4, 3), (8, 4, 2), (10, 10, 1), (3, 50, 1)]
)
def test_a_cluster_is_filled_up_as_often_as_its_cap_demands(left, cap, times):
    assert batches_left(left, cap) == times


def test_each_reason_counts_only_where_all_before_it_are_equal():
    in_order = [
        a_rank(priority=5, arrived=9),
        a_rank(batches_left=3, arrived=8),
        a_rank(batches_left=2, begun=True, arrived=7),
        a_rank(batches_left=2, arrived=6),
        a_rank(begun=True, arrived=5),
        a_rank(arrived=3),
        a_rank(arrived=4),
        a_rank(wave=1, priority=9, batches_left=9, begun=True),
    ]
    assert all(earlier < later for earlier, later in pairwise(in_order))


@given(st.integers(1, 20), st.integers(1, 20))
def test_each_refusal_costs_a_round(left, refused):
    assert a_rank(batches_left=left, refused=refused)[:3] == a_rank(batches_left=left - refused)[:3]
    assert a_rank(batches_left=left, refused=refused) > a_rank(batches_left=left, refused=refused - 1)

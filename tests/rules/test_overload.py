"""Which 503 comes from a limit."""

import random
from collections import deque

import pytest

from batch_deployer.rules.overload import COMPARED, KNOWN_FOR, OverloadDetector


def play(answers):
    """The numbers of those answers (cluster, ok) that count as refusals by a limit; one call a second."""
    detector, found = OverloadDetector(), []
    for number, (cluster, ok) in enumerate(answers):
        if ok:
            detector.admitted("writes", cluster, float(number))
        elif detector.is_limit("writes", cluster, float(number), asks_to_wait=False):
            found.append(number)
    return found


def test_calls_that_are_admitted_between_refusals_of_several_clusters_tell_of_a_limit():
    assert play([("a", True), ("b", False), ("c", True), ("d", False), ("e", True), ("f", False), ("g", False)]) == [
        5,
        6,
    ]


def test_one_or_two_refusals_tell_nothing():
    assert play([("a", True), ("b", False), ("c", True), ("d", False), ("e", True)]) == []


def test_an_outage_is_no_limit_however_it_begins_and_ends():
    before = [(f"c{number}", True) for number in range(20)]
    outage = [(f"c{number % 20}", False) for number in range(60)]
    assert play([*before, *outage]) == []


def test_clusters_in_trouble_are_no_limit_of_their_cloud():
    draw = random.Random(1)
    clusters = [f"c{draw.randrange(40)}" for _ in range(2000)]
    ill = {"c3", "c17"}
    assert len(play([(cluster, cluster not in ill) for cluster in clusters])) <= 1


@pytest.mark.parametrize(("share", "most"), [(0.02, 0.05), (0.05, 0.1), (0.1, 0.6)])
def test_refusals_by_chance_that_are_few_are_repeated_and_not_taken_for_a_limit(share, most):
    draw = random.Random(7)
    answers = [(f"c{draw.randrange(40)}", draw.random() > share) for _ in range(2000)]
    assert len(play(answers)) <= most * sum(not ok for _, ok in answers)


@pytest.mark.parametrize("excess", [1.5, 2.0, 5.0])
def test_a_leaky_bucket_that_gets_too_many_calls_is_found(excess):
    admitted_at, answers, draw = -100.0, [], random.Random(3)
    for number in range(200):
        ok = number - admitted_at >= excess
        admitted_at = number if ok else admitted_at
        answers.append((f"c{draw.randrange(40)}", ok))
    refused = sum(not ok for _, ok in answers)
    assert len(play(answers)) >= 0.3 * refused


def test_a_window_that_is_filled_by_a_burst_is_found():
    window, answers = deque(), []
    for now in (second for minute in range(5) for second in range(minute * 60, minute * 60 + 10)):
        while window and window[0] <= now - 60:
            window.popleft()
        ok = len(window) < 5
        if ok:
            window.append(now)
        answers.append((f"c{len(answers)}", ok))
    found = play(answers)
    assert found
    assert found[0] <= 15


def test_a_limit_that_was_found_is_known_for_a_while():
    detector = OverloadDetector()
    assert detector.is_limit("writes", "a", 0.0, asks_to_wait=True)
    for number in range(KNOWN_FOR):
        assert detector.known
        detector.admitted("writes", "b", float(number))
    detector.admitted("writes", "b", 1000.0)
    assert not detector.known


def test_a_wait_that_is_asked_for_counts_at_once_but_not_again_and_again_for_one_cluster_while_others_are_served():
    detector = OverloadDetector()
    assert detector.is_limit("writes", "ill", 1.0, asks_to_wait=True)
    detector.admitted("writes", "well", 2.0)
    assert not detector.is_limit("writes", "ill", 3.0, asks_to_wait=True)
    detector.admitted("writes", "ill", 3.5)
    assert detector.is_limit("writes", "ill", 4.0, asks_to_wait=True)


def test_a_wait_that_everything_is_asked_for_counts_each_time():
    detector = OverloadDetector()
    assert all(detector.is_limit("writes", "a", float(number), asks_to_wait=True) for number in range(COMPARED))


def test_writes_that_a_limit_refuses_among_many_reads_are_found():
    detector, found = OverloadDetector(), []
    for number in range(200):
        detector.admitted("reads", f"c{number % 20}", float(number))
        if number % 10 == 0:
            found.append(detector.is_limit("writes", f"c{number % 20}", number + 0.5, asks_to_wait=False))
    assert found[3:] == [True] * len(found[3:])

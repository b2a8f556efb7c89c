"""Whether to go on: budgets, and telling a systemic failure from isolated ones."""

import random

import pytest

from batch_deployer.rules.failure_budget import CommonCauseDetector, Halt, over_budget
from batch_deployer.settings import IntOrPercent


@pytest.mark.parametrize(
    ("budget", "total", "most"),
    [("0", 100, 0), ("3", 100, 3), ("3", 2, 3), ("5%", 100, 5), ("5%", 119, 5), ("5%", 10, 0), ("29%", 100, 29), ("100%", 7, 7)],
)  # fmt: skip
def test_a_budget_holds_up_to_its_number_or_share_rounded_down(budget, total, most):
    budget = IntOrPercent.parse(budget)
    assert over_budget("run", "", most, total, budget) is None
    assert over_budget("run", "", most + 1, total, budget) is not None


def test_no_budget_means_no_limit():
    assert over_budget("run", "", 10**6, 10**6, None) is None


def test_a_halt_says_what_failed_how_often_and_what_was_allowed():
    assert over_budget("wave", "canary", 2, 10, IntOrPercent.parse("10%")) == Halt(
        "wave", "2 of 10 deployments of wave canary did not succeed; max_failures is 10%"
    )
    assert over_budget("run", "", 1, 4, IntOrPercent.parse(0)) == Halt(
        "run", "1 of 4 deployments of the run did not succeed; max_failures is 0"
    )


def outcomes(systemic, story):
    """Feed (release, cluster, fingerprint or "") in order; gives the halts."""
    halts = []
    for release, cluster, cause in story:
        if not cause:
            systemic.succeeded(release)
        elif (halt := systemic.failed(release, cluster, cause)) is not None:
            halts.append(halt)
    return halts


def test_the_same_failure_on_several_clusters_halts():
    (halt,) = outcomes(CommonCauseDetector(3), [("web", f"c{n}", "image pull failed") for n in range(3)])
    assert halt == Halt("systemic", "the same failure of web on 3 clusters (3 of 3 ended so): image pull failed")


def test_the_same_failure_across_releases_halts_too():
    (halt,) = outcomes(CommonCauseDetector(3), [(f"r{n}", f"c{n}", "quota exceeded") for n in range(3)])
    assert halt == Halt("systemic", "the same failure on 3 clusters (3 of 3 ended so): quota exceeded")


def test_one_broken_cluster_is_not_systemic():
    assert outcomes(CommonCauseDetector(3), [(f"r{n}", "c1", "no space left") for n in range(20)]) == []


def test_different_failures_are_not_systemic():
    assert outcomes(CommonCauseDetector(3), [("web", f"c{n}", f"cause {'abcdefgh'[n]}") for n in range(8)]) == []


@pytest.mark.parametrize("seed", range(5))
def test_a_few_failures_among_many_successes_are_isolated(seed):
    story = [("web", f"c{n}", "") for n in range(20)]
    rest = [("web", f"d{n}", "timeout" if n < 8 else "") for n in range(60)]
    random.Random(seed).shuffle(rest)
    assert outcomes(CommonCauseDetector(3), story + rest) == []


def test_two_thirds_of_what_ended_are_the_border():
    four = [("web", f"c{n}", "timeout") for n in range(4)]
    assert outcomes(CommonCauseDetector(4), [("web", "", "")] * 2 + four)
    assert not outcomes(CommonCauseDetector(4), [("web", "", "")] * 3 + four)


def test_a_broken_release_is_found_among_healthy_ones():
    healthy = [("api", "", "")] * 1000
    (halt,) = outcomes(CommonCauseDetector(3), healthy + [("web", f"c{n}", "crash loop") for n in range(3)])
    assert "of web on 3 clusters" in halt.reason


def test_failures_of_other_causes_count_as_ended():
    other = [("web", f"x{n}", f"cause {chr(97 + n)}") for n in range(4)]
    assert not outcomes(CommonCauseDetector(3), other + [("web", f"c{n}", "timeout") for n in range(3)])


def test_failures_without_a_cause_are_never_systemic_but_count_as_ended():
    systemic = CommonCauseDetector(2)
    assert all(systemic.failed("web", f"c{n}", "") is None for n in range(10))
    assert systemic.failed("web", "c1", "timeout") is None
    assert systemic.failed("web", "c2", "timeout") is None


def test_it_can_be_turned_off():
    assert outcomes(CommonCauseDetector(0), [("web", f"c{n}", "timeout") for n in range(50)]) == []

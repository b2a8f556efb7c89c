"""Waves: every cluster in exactly one, whatever order the manifest has, and equal tags kept apart."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from batch_deployer.model.selectors import Operator, Requirement, WaveRule
from batch_deployer.rules.waves import Assignment, Member, assign


def fleet(count, regions=3):
    return [Member(id=f"id-{n}", tags={"region": f"r{n % regions}", "tier": "core"}) for n in range(count)]


MEMBERS = st.lists(
    st.builds(
        Member,
        id=st.text("abcdef0123456789", min_size=3, max_size=6),
        tags=st.dictionaries(st.sampled_from(["region", "tier"]), st.sampled_from(["a", "b", "c"])),
    ),
    unique_by=lambda member: member.id,
    max_size=30,
)
SELECTORS = st.sampled_from(
    [(), (Requirement("tier", Operator.IN, ("a",)),), (Requirement("region", Operator.EXISTS),)]
)
RULES = st.lists(
    st.builds(WaveRule, name=st.sampled_from("pqrst"), selector=SELECTORS, count=st.integers(1, 5))
    | st.builds(WaveRule, name=st.sampled_from("pqrst"), selector=SELECTORS, percent=st.floats(0.1, 100))
    | st.builds(
        WaveRule,
        name=st.sampled_from("pqrst"),
        selector=SELECTORS,
        spread=st.sampled_from(["region", "tier"]),
        parts=st.integers(0, 4),
    )
    | st.builds(
        WaveRule, name=st.sampled_from("pqrst"), selector=SELECTORS, count=st.integers(1, 5), spread=st.just("tier")
    )
    | st.builds(WaveRule, name=st.sampled_from("pqrst"), selector=SELECTORS),
    max_size=4,
    unique_by=lambda rule: rule.name,
)


@settings(deadline=None)
@given(MEMBERS, RULES, st.integers(0, 3))
def test_every_cluster_is_in_exactly_one_wave(members, rules, seed):
    found = assign(rules, members, seed)
    assert set(found.wave_of) == {member.id for member in members}
    assert all(0 <= wave < len(found.names) for wave in found.wave_of.values())
    assert len(found.names) == len(found.rules)


@settings(deadline=None)
@given(MEMBERS, RULES, st.integers(0, 3), st.randoms(use_true_random=False))
def test_waves_do_not_depend_on_the_order_of_the_manifest(members, rules, seed, chance):
    shuffled = list(members)
    chance.shuffle(shuffled)
    assert assign(rules, shuffled, seed) == assign(rules, members, seed)


@settings(deadline=None)
@given(MEMBERS, st.integers(1, 6), st.integers(0, 3))
def test_spread_puts_two_of_one_region_together_only_where_it_must(members, parts, seed):
    found = assign([WaveRule(name="w", spread="region", parts=parts)], members, seed)
    size = Counter(member.tags.get("region") for member in members)
    shared = Counter((found.wave_of[m.id], m.tags["region"]) for m in members if "region" in m.tags)
    for (_, region), count in shared.items():
        assert count <= -(-size[region] // parts)


@settings(deadline=None)
@given(MEMBERS)
def test_spread_without_parts_never_puts_two_of_one_region_together(members):
    found = assign([WaveRule(name="w", spread="region")], members)
    shared = Counter((found.wave_of[m.id], m.tags["region"]) for m in members if "region" in m.tags)
    assert not shared or max(shared.values()) == 1


def test_parts_have_names_of_their_own_and_nearly_the_same_size():
    found = assign([WaveRule(name="w", spread="region", parts=4)], fleet(18))
    assert found.names == ("w-1", "w-2", "w-3", "w-4")
    assert sorted(Counter(found.wave_of.values()).values()) == [4, 4, 5, 5]


def picked(found: Assignment, wave: int) -> set[str]:
    return {member for member, number in found.wave_of.items() if number == wave}


def test_a_selector_takes_its_clusters_and_the_rest_follow():
    members = [*fleet(4), Member(id="x", tags={"tier": "canary"})]
    found = assign([WaveRule(name="canary", selector=(Requirement("tier", Operator.IN, ("canary",)),))], members)
    assert found.names == ("canary", "rest")
    assert picked(found, 0) == {"x"}


def test_a_percentage_is_of_all_that_match_and_at_least_one():
    assert len(picked(assign([WaveRule(name="a", percent=10)], fleet(35)), 0)) == 3
    assert len(picked(assign([WaveRule(name="a", percent=1)], fleet(35)), 0)) == 1
    halves = assign([WaveRule(name="a", percent=50), WaveRule(name="b", percent=50)], fleet(10))
    assert (len(picked(halves, 0)), len(picked(halves, 1))) == (5, 5)


def test_a_count_with_spread_takes_every_region_before_any_twice():
    members = fleet(30)
    for seed in range(20):
        first = picked(assign([WaveRule(name="a", count=3, spread="region")], members, seed), 0)
        assert {member.tags["region"] for member in members if member.id in first} == {"r0", "r1", "r2"}


def test_another_seed_picks_other_clusters():
    picks = {frozenset(picked(assign([WaveRule(name="a", count=3)], fleet(40), seed), 0)) for seed in range(5)}
    assert len(picks) == 5


def test_a_new_cluster_moves_at_most_one_other_out_of_a_pick():
    before = picked(assign([WaveRule(name="a", count=5)], fleet(40)), 0)
    after = picked(assign([WaveRule(name="a", count=5)], [*fleet(40), Member(id="new", tags={})]), 0)
    assert len(before - after) <= 1


def test_a_wave_called_rest_does_not_clash_with_the_added_one():
    found = assign([WaveRule(name="rest", count=1)], fleet(3))
    assert found.names == ("rest", "rest-2")

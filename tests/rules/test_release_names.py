"""Names that a cloud makes from `name_template`."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_deployer.rules.release_names import fits, literals_of


@pytest.mark.parametrize(
    ("template", "name", "fitting"),
    [
        ("web-{{ randAlpha 4 }}", "web-abcd", True),
        ("web-{{ randAlpha 4 }}", "web-", False),
        ("web-{{ randAlpha 4 }}", "db-abcd", False),
        ("{{ .Chart }}-web", "nginx-web", True),
        ("{{ .Chart }}-web", "-web", False),
        ("a{{x}}a", "aa", False),
        ("a{{x}}a", "aba", True),
        ("{{a}}-x-{{b}}", "1-x-2", True),
        ("{{a}}-x-{{b}}", "-x-2", False),
        ("{{a}}{{b}}-x", "12-x", True),
        ("fixed", "fixed", True),
        ("fixed", "fixed-1", False),
    ],
)
def test_a_name_fits_its_template(template, name, fitting):
    assert fits(literals_of(template), name) is fitting


@pytest.mark.parametrize("template", [None, "", "{{ randAlpha 8 }}", "{{a}}-{{b}}", "x" * 2000])
def test_a_template_without_text_of_its_own_tells_nothing(template):
    assert literals_of(template) == []


@given(st.lists(st.text("ab", max_size=2), min_size=1, max_size=4), st.text("ab", max_size=9))
def test_it_fits_as_a_pattern_would(literals, name):
    assert fits(literals, name) is (re.fullmatch(".+".join(literals), name) is not None)


def test_many_actions_take_no_time():
    begun = time.process_time()
    assert not fits(literals_of("a{{}}" * 30 + "zz"), "a" * 63)
    literals_of("{{" * 100_000)
    assert time.process_time() - begun < 1.0

"""A `name_template` by which a release could not be found again is refused before anything is sent."""

import json

import pytest


def templated(project, template):
    text = json.dumps(template)
    project.edit("chart: {name: web, version: 1.0.0}", f"parameters: {{name_template: {text}}}, chart: {{name: web, version: 1.0.0}}")  # fmt: skip


@pytest.mark.parametrize("command", ["validate", "plan", "run"])
@pytest.mark.parametrize(
    "template", ["{{ randAlpha 8 }}", "{{a}}-{{b}}", " {{ uuidv4 }} ", "--{{x}}--", "web-" + "x" * 1000]
)
def test_without_a_text_of_its_own(project, command, template):
    templated(project, template)

    code, _, err = project.run(command, "m.yaml", *(["--yes"] if command == "run" else []))

    assert code == 2
    assert err.startswith("error: m.yaml:15:")
    assert 'release "web": `name_template` needs some text besides its {{...}}' in err
    assert err.count("\n") == 1
    assert project.provider.ledger()["calls"] == {}
    assert not (project.state / "runs").exists()


@pytest.mark.parametrize(
    "template", ["web-{{ randAlpha 5 | lower }}", "${cluster.name}{{x}}", "${release.name}-fixed", ""]
)
def test_with_some_text(project, template):
    templated(project, template)
    assert project.run("validate", "m.yaml")[0] == 0

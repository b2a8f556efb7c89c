"""What the package promises to others: sorted, complete, and loaded only when used."""

import subprocess
import sys

import pytest

import batch_deployer


def test_the_public_names_are_sorted_and_each_once():
    assert batch_deployer.__all__ == sorted(set(batch_deployer.__all__))


@pytest.mark.parametrize("name", batch_deployer.__all__)
def test_every_public_name_is_there_and_documented(name):
    value = getattr(batch_deployer, name)
    assert value.__doc__
    assert name in dir(batch_deployer)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'batch_deployer' has no attribute 'nonsense'"):
        batch_deployer.nonsense  # noqa: B018


def test_importing_the_package_loads_none_of_its_modules():
    code = "import sys, batch_deployer; print(*[name for name in sys.modules if name.startswith('batch_deployer.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"


def test_a_manifest_is_loaded_planned_and_frozen_by_public_names_alone(tmp_path):
    manifest = tmp_path / "m.yaml"
    manifest.write_text(
        "name: one\n"
        "clouds: {sim: {endpoint: 'http://127.0.0.1:1', auth: {token: '${secret:env:TOKEN}'}}}\n"
        "clusters: [{id: a870253f-5dc7-11ee-bf71-0255ac100b03, name: c1, cloud: sim}]\n"
        "releases: [{name: web, namespace: ns, chart: {name: web, version: 1.0.0}, version: 1.0.0, targets: '*'}]\n"
    )
    plan = batch_deployer.build_plan(batch_deployer.load_manifest(manifest, {"TOKEN": "t"}))
    assert [each.key for each in batch_deployer.parse_plan(batch_deployer.dump_plan(plan)).deployments] == [
        "a870253f-5dc7-11ee-bf71-0255ac100b03/ns/web"
    ]

"""Ids and names of the manifest's clusters against those that the cloud lists."""

import pytest

IDS = [f"a870253f-5dc7-11ee-bf71-0255ac100b0{n}" for n in range(1, 10)]


def ends(project, *arguments):
    """The exit code and all that was shown, its lines joined: `check` wraps long problems."""
    code, out, err = project.run(*arguments)
    return code, " ".join((out + err).split())


@pytest.mark.parametrize("upper", [False, True])
def test_an_id_and_a_name_of_two_clusters_on_one_line_are_an_error_that_names_both(project, upper):
    project.edit(f"id: {IDS[0]}, name: prod-1", f"id: {IDS[1].upper() if upper else IDS[1]}, name: label")
    project.edit(f"id: {IDS[1]}, name: prod-2", f"id: {IDS[0]}, name: prod-2")
    said = f'the manifest calls {IDS[0]} "prod-2", but in cloud sim that id is cluster "prod-1", and "prod-2" has the id {IDS[1]}'
    code, text = ends(project, "plan", "m.yaml", "--detailed-exitcode", "--format", "json")
    assert code == 1
    assert text.count(said.replace('"', '\\"')) == 2
    assert said in ends(project, "check", "m.yaml")[1]
    code, text = ends(project, "run", "m.yaml", "--yes")
    assert code == 1
    assert said.partition(",")[0] in text
    creates = project.provider.ledger()["creates"]
    assert not [key for key in creates if key.startswith(IDS[0])]
    assert len([key for key in creates if key.startswith(IDS[1])]) == 2, "a name of the manifest's own is no error"


def test_a_cluster_that_was_made_again_is_named_with_the_option_that_helps(project):
    project.edit(f"id: {IDS[1]}, name: prod-2", f"id: {IDS[8]}, name: prod-2")
    said = f'cloud sim has a cluster "prod-2" with the id {IDS[1]}'
    cure = f"--map {IDS[8]}={IDS[1]}"
    for arguments in (("plan", "m.yaml"), ("run", "m.yaml", "--yes"), ("check", "m.yaml")):
        code, text = ends(project, *arguments, *(("--format", "json") if arguments[0] == "plan" else ()))
        assert code == (0 if arguments[0] == "plan" else 1)
        assert said.replace('"', '\\"' if arguments[0] == "plan" else '"') in text
        assert cure in text
    assert ends(project, "run", "m.yaml", "--yes", *cure.split())[0] == 0
    assert len([key for key in project.provider.ledger()["creates"] if key.startswith(IDS[1])]) == 2

"""Manifests as texts, in a folder of their own."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from batch_deployer.errors import InputError
from batch_deployer.manifest.loader import load
from batch_deployer.manifest.model import Manifest
from batch_deployer.plan.builder import build_plan


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder of the test, so that messages hold short paths."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def loaded(folder: Path) -> Callable[..., Manifest]:
    """Load a manifest from its text, with other files beside it."""

    def make(
        text: str | bytes,
        files: Mapping[str, str] = {},
        profile: str | None = None,
        environ: Mapping[str, str] = {"SET": "set"},
    ) -> Manifest:
        (folder / "m.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(content)
        return load("m.yaml", environ, profile=profile)

    return make


@pytest.fixture
def faults(loaded: Callable[..., Manifest]) -> Callable[..., str]:
    """What loading and planning says against a manifest; empty when nothing."""

    def tell(text: str | bytes, files: Mapping[str, str] = {}, profile: str | None = None) -> str:
        try:
            build_plan(loaded(text, files, profile))
        except InputError as error:
            return str(error)
        return ""

    return tell

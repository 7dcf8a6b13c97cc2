"""What is installed where jobs run: told once, and kept under its hash."""

import json
from importlib import metadata
from pathlib import Path

import pytest

from flows.errors import OutcomeError
from flows.provenance import find_environments, load_environment
from workers.installed import CONTAINER, describe_environment, keep_environment

LOCK = Path(__file__).parents[2] / "requirements.lock"


def test_everything_that_is_installed_is_told() -> None:
    environment = describe_environment()
    for name in ("jwst", "numpy", "rewebb", "pytest"):
        assert environment.distributions[name] == metadata.version(name)
    assert environment.cpu_flags == tuple(sorted(environment.cpu_flags))
    assert environment.python.count(".") == 2
    assert bool(environment.lock_sha256) == LOCK.is_file()


def test_the_image_is_told_by_whoever_runs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CONTAINER, "sha256:0123")
    told = describe_environment.__wrapped__()
    assert told.container == "sha256:0123"
    assert told.sha256 != describe_environment().sha256


def test_an_environment_is_kept_once_and_read_back(tmp_path: Path) -> None:
    assert keep_environment(tmp_path) == keep_environment(tmp_path)
    (path,) = find_environments(tmp_path)
    assert load_environment(path) == describe_environment()


def test_an_environment_that_was_changed_is_named(tmp_path: Path) -> None:
    keep_environment(tmp_path)
    (path,) = find_environments(tmp_path)
    held = json.loads(path.read_text())
    held["distributions"]["numpy"] = "0.1"
    path.write_text(json.dumps(held))
    with pytest.raises(OutcomeError, match=rf"{path} was changed"):
        load_environment(path)
    path.write_text("{")
    with pytest.raises(OutcomeError, match=rf"{path} cannot be read"):
        load_environment(path)

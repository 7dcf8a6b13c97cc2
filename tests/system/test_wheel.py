"""The wheel that is built of the repository, used in an empty folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from commands import Rewebb

ROOT = Path(__file__).parents[2]

WHERE = """
import sys, config, flows, workers
print(*sorted({str(__import__("pathlib").Path(m.__file__).parents[1])
               for m in (config, flows, workers)}))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel and install it into a folder, without what it depends on."""
    folder = tmp_path_factory.mktemp("wheel")
    for command in (
        ("wheel", "--no-build-isolation", "--wheel-dir", folder / "dist", ROOT),
        ("install", "--target", folder / "site", "--no-index", "--find-links",
         folder / "dist", "rewebb"),
    ):  # fmt: skip
        subprocess.run(
            [sys.executable, "-m", "pip", "--quiet", *command, "--no-deps"],
            check=True,
            env=os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"},
            cwd=folder,
        )
    return folder / "site"


@pytest.fixture
def of_wheel(rewebb: Rewebb, installed: Path) -> Rewebb:
    """Return the command whose packages are those of the wheel."""
    return rewebb.given(PYTHONPATH=installed)


def test_its_packages_are_used_and_nothing_of_the_repository(
    of_wheel: Rewebb, installed: Path
) -> None:
    ended = of_wheel("-c", WHERE, program="python")
    assert ended.out.split() == [str(installed)]
    assert not (installed / "tests").exists()


def list_data(folder: Path) -> set[str]:
    """List the files of the packages that are not code."""
    packages = (folder / name for name in ("config", "flows", "workers"))
    found = (path for package in packages for path in package.rglob("*"))
    files = (path for path in found if path.is_file())
    names = (path.relative_to(folder).as_posix() for path in files)
    return {name for name in names if not name.endswith((".py", ".pyc"))}


def test_it_has_all_data_of_its_packages(of_wheel: Rewebb, installed: Path) -> None:
    assert list_data(installed) == list_data(ROOT)
    assert {"config/recipe.schema.json", "config/known_issues/ns-ifu05.toml"} <= (
        list_data(installed)
    )
    issues = of_wheel("issues", "list", "--json")
    assert "NS-IFU05" in {one["id"] for one in issues.record}


def test_it_has_its_recipes_and_its_migrations(of_wheel: Rewebb) -> None:
    recipes = of_wheel("recipes", "list", "--json")
    assert recipes.code == 0, recipes
    assert "official" in recipes.out
    upgraded = of_wheel("db", "upgrade")
    assert upgraded.code == 0, upgraded
    assert of_wheel("runs", "--json").record == []


def test_it_plans_a_program_on_a_cluster_of_its_own(of_wheel: Rewebb) -> None:
    planned = of_wheel("plan", "99002", "--json")
    assert planned.code == 0, planned
    assert set(planned.states.values()) == {"DUE"}


def test_it_has_what_samples_are_made_of(of_wheel: Rewebb) -> None:
    code = "from workers.sample.catalogue import PROGRAMS; print(len(PROGRAMS))"
    made = of_wheel("-c", code, program="python")
    assert int(made.out) > 0, made

import os
from pathlib import Path

import pytest

from config.clusters import AddressProfile, LocalProfile
from config.errors import SettingsError
from config.policy import Action, Policy
from config.settings import PERSONAL, Settings, find_user_file, load_settings
from flows.layout import get_database_url


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, without any of our variables."""
    for name in [*os.environ]:
        if name.startswith(("REWEBB_", "CRDS_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path


@pytest.fixture
def users(elsewhere: Path) -> Path:
    """Return where the user's own file belongs."""
    file = elsewhere / "config" / "rewebb" / "rewebb.toml"
    file.parent.mkdir(parents=True)
    return file


def test_there_is_a_default_for_everything() -> None:
    settings = load_settings()
    assert settings.data_dir == Path("rewebb-data")
    assert settings.slots is None
    assert settings.memory_bytes is None
    assert settings.crds_path is None


def test_arguments_win_over_variables_over_the_file(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (elsewhere / "rewebb.toml").write_text("slots = 3\nmax_attempts = 4\n")
    assert load_settings().slots == 3
    monkeypatch.setenv("REWEBB_SLOTS", "5")
    assert load_settings().slots == 5
    assert load_settings(slots=7).slots == 7
    assert load_settings(slots=7).max_attempts == 4


def test_what_is_given_as_none_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REWEBB_ARCHIVE", "raw")
    assert load_settings(archive=None).archive == "raw"


def test_the_variables_of_crds_are_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRDS_PATH", "cache")
    monkeypatch.setenv("CRDS_CONTEXT", "jwst_0001.pmap")
    settings = load_settings()
    assert settings.crds_path == Path("cache")
    assert settings.crds_context == "jwst_0001.pmap"


def test_our_own_variables_win_over_those_of_crds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CRDS_PATH", "cache")
    monkeypatch.setenv("REWEBB_CRDS_PATH", "ours")
    assert load_settings().crds_path == Path("ours")


def test_empty_variables_of_crds_are_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRDS_PATH", "")
    monkeypatch.setenv("CRDS_CONTEXT", "")
    settings = load_settings()
    assert settings.crds_path is None
    assert settings.crds_context is None


@pytest.mark.parametrize("name", Settings.model_fields)
def test_an_empty_variable_of_ours_is_as_none(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("CRDS_PATH", "cache")
    monkeypatch.setenv("CRDS_SERVER_URL", "https://crds")
    usual = load_settings()
    monkeypatch.setenv(f"REWEBB_{name.upper()}", "")
    assert getattr(load_settings(), name) == getattr(usual, name)


def test_an_empty_variable_leaves_the_file_as_it_is(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (elsewhere / "rewebb.toml").write_text("archive = 'raw'\n")
    monkeypatch.setenv("REWEBB_ARCHIVE", "")
    assert load_settings().archive == "raw"


def test_an_empty_archive_is_an_error_if_given() -> None:
    with pytest.raises(SettingsError, match="archive"):
        load_settings(archive="")


def test_the_database_is_in_the_data_folder_unless_told(elsewhere: Path) -> None:
    settings = load_settings(data_dir=elsewhere / "data")
    assert get_database_url(settings) == f"sqlite:///{elsewhere}/data/rewebb.db"
    other = load_settings(database_url="postgresql+psycopg://host/db")
    assert get_database_url(other) == "postgresql+psycopg://host/db"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("slots = 0", "slots"),
        ("slots = 'many'", "slots"),
        ("slot = 2", "slot"),
        ("max_attempts = 0", "max_attempts"),
        ("slots = ", "rewebb.toml"),
        ("archive = ''", "archive"),
    ],
)
def test_a_wrong_setting_is_an_error_that_names_it(
    elsewhere: Path, text: str, named: str
) -> None:
    (elsewhere / "rewebb.toml").write_text(text)
    with pytest.raises(SettingsError, match=named):
        load_settings()


def test_a_variable_that_sets_nothing_is_an_error_that_names_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REWEBB_ARCHVE", "mast")
    with pytest.raises(SettingsError, match="REWEBB_ARCHVE is not a setting"):
        load_settings()


def test_a_wrong_variable_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REWEBB_SLOTS", "many")
    with pytest.raises(SettingsError, match="slots"):
        load_settings()


def test_the_user_has_a_file_that_all_else_is_stronger_than(
    elsewhere: Path, users: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users.write_text("slots = 2\nmax_attempts = 5\narchive_connections = 6\n")
    (elsewhere / "rewebb.toml").write_text("slots = 3\nmax_attempts = 4\n")
    monkeypatch.setenv("REWEBB_SLOTS", "7")
    settings = load_settings()
    assert (settings.slots, settings.max_attempts, settings.archive_connections) == (
        7,
        4,
        6,
    )


PERSONAL_VALUES = {
    "crds_server_url": "https://crds.example.org",
    "database_url": "postgresql://db.example.org/rewebb",
    "mast_token_block": "a-secret-of-mine",
    "mast_url": "https://mast.example.org",
    "s3_endpoint": "https://s3.example.org",
}


@pytest.mark.parametrize(("name", "value"), PERSONAL_VALUES.items())
def test_a_file_in_the_working_directory_may_not_say_where_secrets_go(
    elsewhere: Path, users: Path, name: str, value: str
) -> None:
    here = elsewhere / "rewebb.toml"
    here.write_text(f"{name} = '{value}'\n")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    for part in (str(here), f"sets {name}", f"REWEBB_{name.upper()}", str(users)):
        assert part in str(caught.value)


@pytest.mark.parametrize(("name", "value"), PERSONAL_VALUES.items())
def test_the_user_and_the_environment_may_say_where_secrets_go(
    users: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    users.write_text(f"{name} = '{value}'\n")
    assert getattr(load_settings(), name) == value
    users.unlink()
    monkeypatch.setenv(f"REWEBB_{name.upper()}", value)
    assert getattr(load_settings(), name) == value


def test_every_setting_of_a_server_is_personal() -> None:
    personal = {n for n, f in Settings.model_fields.items() if PERSONAL in f.metadata}
    others = {"clusters", "web_user_header", "web_proxy_secret"}
    assert personal == {*PERSONAL_VALUES, *others}


PROFILE = """
[clusters.there]
kind = "address"
address = "tls://scheduler.example.org:8786"
"""


def test_cluster_profiles_are_of_the_user_alone(elsewhere: Path, users: Path) -> None:
    users.write_text(PROFILE)
    there = load_settings(cluster="there").find_profile()
    assert there == AddressProfile(
        kind="address", address="tls://scheduler.example.org:8786"
    )
    (elsewhere / "rewebb.toml").write_text(PROFILE)
    with pytest.raises(SettingsError, match="sets clusters"):
        load_settings()


def test_which_profile_is_used_may_be_said_anywhere(
    elsewhere: Path, users: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users.write_text(PROFILE)
    (elsewhere / "rewebb.toml").write_text('cluster = "there"\n')
    assert isinstance(load_settings().find_profile(), AddressProfile)
    monkeypatch.setenv("REWEBB_CLUSTER", "local")
    assert load_settings(slots=3).find_profile() == LocalProfile(slots=3)


def test_a_profile_of_this_machine_is_stronger_than_its_settings(users: Path) -> None:
    users.write_text('slots = 8\nmemory_bytes = 9\n[clusters.half]\nkind = "local"\n')
    assert load_settings(cluster="half").find_profile().slots == 8
    users.write_text('slots = 8\n[clusters.half]\nkind = "local"\nslots = 4\n')
    assert load_settings(cluster="half").find_profile().slots == 4


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('kind = "adress"', ["clusters.there", "did you mean `address`?"]),
        ("slots = 2", ["clusters.there", "kind: expected one of local"]),
        (
            'kind = "address"\nadres = "tls://host:1"',
            ["clusters.there", "unknown key `adres`; did you mean `address`?"],
        ),
        ('kind = "address"\naddress = "host:1"', ["address: ", "'host:1'"]),
        ('kind = "local"\nslots = 0', ["clusters.there: slots: ", "got 0"]),
    ],
)
def test_a_wrong_profile_is_an_error_that_names_what_is_near(
    users: Path, text: str, words: list[str]
) -> None:
    users.write_text(f"[clusters.there]\n{text}\n")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert [word for word in words if word not in str(caught.value)] == []


def test_a_profile_that_is_not_there_names_the_nearest(users: Path) -> None:
    users.write_text(PROFILE)
    with pytest.raises(SettingsError, match=r"'their'.* Did you mean there\?"):
        load_settings(cluster="their").find_profile()


def test_the_scheduler_of_old_is_refused_with_the_new_way(
    users: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = r'scheduler. is not a setting any more.*kind = "address"'
    users.write_text("scheduler = 'tcp://host:8786'\n")
    with pytest.raises(SettingsError, match=told):
        load_settings()
    users.unlink()
    monkeypatch.setenv("REWEBB_SCHEDULER", "tcp://host:8786")
    with pytest.raises(SettingsError, match=r'SCHEDULER is not .*kind = "address"'):
        load_settings()


def test_one_may_stand_in_the_folder_of_ones_own_configuration(
    users: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users.write_text("mast_url = 'https://mast.example.org'\n")
    monkeypatch.chdir(users.parent)
    assert load_settings().mast_url == "https://mast.example.org"


def test_a_configuration_folder_that_is_not_absolute_is_none(
    elsewhere: Path, users: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users.write_text("mast_url = 'https://mast.example.org'\n")
    monkeypatch.setenv("XDG_CONFIG_HOME", "config")
    monkeypatch.setenv("HOME", str(elsewhere / "home"))
    assert load_settings().mast_url == "https://mast.stsci.edu"
    assert find_user_file() == elsewhere / "home/.config/rewebb/rewebb.toml"


def test_a_policy_says_what_follows_from_changes(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load_settings().policy == Policy()
    (elsewhere / "rewebb.toml").write_text('[policy]\npackages_patch = "report"\n')
    assert load_settings().policy == Policy(packages_patch=Action.REPORT)
    monkeypatch.setenv("REWEBB_POLICY", '{"jwst_patch": "rerun"}')
    assert load_settings().policy.jwst_patch is Action.RERUN


@pytest.mark.parametrize("text", ['numpy = "rerun"', 'references = "never"'])
def test_a_policy_of_unknown_words_is_refused(elsewhere: Path, text: str) -> None:
    (elsewhere / "rewebb.toml").write_text(f"[policy]\n{text}\n")
    with pytest.raises(SettingsError, match=f"policy.*{text.split(maxsplit=1)[0]}"):
        load_settings()

"""A program is held for as long as somebody works at it."""

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from config.settings import load_settings
from flows.errors import LeaseHeldError
from flows.factory import Services, open_services
from flows.runs import hold_lease

SHORT = timedelta(seconds=0.5)


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    settings = load_settings(
        archive=tmp_path, crds_path=tmp_path, data_dir=tmp_path / "data"
    )
    with open_services(settings) as services:
        yield services


def test_a_lease_is_renewed_while_files_are_fetched(services: Services) -> None:
    with hold_lease(services, "99001", ttl=SHORT, renew_s=0.05):
        time.sleep(1.5)
        with (
            pytest.raises(LeaseHeldError),
            hold_lease(services, "99001", ttl=SHORT, renew_s=0.05),
        ):
            pass


def test_a_lease_that_is_given_back_is_free(services: Services) -> None:
    for _ in range(2):
        with hold_lease(services, "99001", ttl=SHORT, renew_s=0.05):
            pass

from prefect.settings import PREFECT_API_URL, temporary_settings

from config.settings import Settings
from flows.turns import take_turn


def test_while_prefect_is_away_nobody_waits() -> None:
    away = temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"})
    with away, take_turn(Settings(archive="mast")):
        pass

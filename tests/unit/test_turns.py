from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.turns import take_turn


def test_while_prefect_is_away_nobody_waits() -> None:
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}), take_turn():
        pass

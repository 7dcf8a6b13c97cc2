"""What is remembered of resolutions, in every database."""

from datetime import timedelta

from outcomes import NOON

from flows.models.resolutions import Answer
from flows.provenance import Database


def answer(question: str, text: str, hours: int = 0, cubes: str = "[]") -> Answer:
    asked_at = NOON + timedelta(hours=hours)
    return Answer(question, f"sha256 of {text}", text, cubes, asked_at)


def test_questions_share_answers_and_the_newest_comes_first(database: Database) -> None:
    known = database.resolutions
    known.remember([answer("one", "old"), answer("two", "old", cubes="[[1, 2, 3]]")])
    known.remember([answer("one", "new", 1)])
    rows, texts = known.find(["one", "two", "none"])
    assert {
        key: [row.answer_sha256 for row in found] for key, found in rows.items()
    } == {
        "one": ["sha256 of new", "sha256 of old"],
        "two": ["sha256 of old"],
    }
    assert rows["two"][0].cubes == "[[1, 2, 3]]"
    assert texts == {"sha256 of old": "old", "sha256 of new": "new"}


def test_of_the_answers_to_a_question_four_are_kept(database: Database) -> None:
    known = database.resolutions
    known.remember([answer("other", "0")])
    for number in range(6):
        known.remember([answer("one", str(number), number)])
    known.remember([answer("one", "2", 9)])
    rows, texts = known.find(["one"])
    kept = [row.answer_sha256 for row in rows["one"]]
    assert kept == [f"sha256 of {number}" for number in (2, 5, 4, 3)]
    assert set(texts.values()) == {"2", "3", "4", "5"}
    _, others = known.find(["other"])
    assert set(others.values()) == {"0"}

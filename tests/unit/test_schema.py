"""The tables: each column says what it means, and the page of the schema says so."""

from schema_docs import DOC, make_text

from flows.provenance.schema import SQLBase


def test_the_page_tells_every_column_of_every_table() -> None:
    made = make_text()
    tables = SQLBase.metadata.sorted_tables
    assert len(tables) > 20
    for table in tables:
        assert f"### {table.name}\n" in made
    assert DOC.read_text() == made, "run python tools/schema_docs.py"

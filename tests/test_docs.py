"""Documents that repeat what the code says, kept equal to it."""

from pathlib import Path

from proxy.close_codes import MEANINGS, CloseCode

DOCS = Path(__file__).parent.parent / "docs"


def table_of_close_codes() -> str:
    """Write the table as the document has to have it."""
    rows = ["| code | name | meaning | dial again |", "|---|---|---|---|"]
    for code in CloseCode:
        meaning = MEANINGS[code]
        again = "yes" if meaning.reconnect else "no"
        rows.append(f"| {code.value} | `{code.name}` | {meaning.reason} | {again} |")
    return "\n".join(rows)


def test_the_table_of_close_codes_is_that_of_the_code() -> None:
    assert f"\n{table_of_close_codes()}\n\n" in (DOCS / "close-codes.md").read_text()

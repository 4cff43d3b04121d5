"""Documents as a table of numbers are the same documents."""

from __future__ import annotations

from resolution_eval.host.document_table import document_table


def test_documents_are_spelled_out_a_row_or_a_column_at_a_time_and_texts_are_shared() -> None:
    rows = [
        {"sample": str(number), "question": "Which" + "?" * (number % 2), "choices": ["a", "b"]}
        for number in range(5)
    ] + [{"sample": "5", "question": "", "choices": []}]
    table = document_table(rows)
    assert list(table) == rows and list(table["question"]) == [row["question"] for row in rows]
    assert table[1]["question"] is table[3]["question"]
    assert table[0]["choices"] is not table[0]["choices"]
    assert table.select([4, 2])[1] == rows[2]

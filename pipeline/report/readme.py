"""The table in README.md: it stands between two markers, and `make accept` replaces what is there."""

from pathlib import Path

from pipeline.base.files import write_text

BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"


def put_table(summary: Path, readme: Path) -> None:
    """Replace what stands between the markers of `readme` by the text of `summary`.

    Markers that are missing, repeated or in the wrong order are a `ValueError`, and `readme` stays as it was.
    """
    text = readme.read_text(encoding="utf-8")
    if (text.count(BEGIN), text.count(END)) != (1, 1) or text.index(BEGIN) > text.index(END):
        raise ValueError(f"{readme}: the table goes between one line {BEGIN} and, below it, one line {END}; put both back")
    before, _ = text.split(BEGIN)
    _, after = text.split(END)
    table = summary.read_text(encoding="utf-8").strip("\n")
    write_text(readme, f"{before}{BEGIN}\n{table}\n{END}{after}")

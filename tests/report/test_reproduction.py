"""What `make verify` and `make accept` say and do."""

from pathlib import Path

import pytest

from pipeline.evaluation.reproduction import Line
from pipeline.report.readme import put_table
from pipeline.report.reproduction import reproduction_text

SAME = Line("bart", 300, 0, 55.86, 55.86, 0.0, True)
MOVED = Line("clipsum", 300, 31, 54.55, 56.15, 0.5, False)
LEFT = Line("ablations/no-l2", 300, 200, 50.0, 70.0, 6.25, False)
LOST = Line("t5", 300, 300, 47.68, float("nan"), None, False)
UNDO = "git restore params.yaml studies dvc.lock metrics predictions reports && dvc checkout"


def test_identical_results_need_nothing_done() -> None:
    text = reproduction_text([SAME], against="HEAD")
    assert text.splitlines()[0].split()[:4] == ["Row", "Summaries", "that", "differ"]
    assert text.splitlines()[1].split() == ["bart", "0", "of", "300", "55.86", "55.86", "+0.00", "identical"]
    assert text.splitlines()[-1] == "Every summary and score is the same as in HEAD."
    assert UNDO not in text


def test_the_worst_row_decides_and_what_to_do_next_is_said() -> None:
    text = reproduction_text([SAME, MOVED], against="HEAD~3")
    assert "31 of 300" in text and "+0.50" in text and "within the noise of seeds" in text
    assert "differ from those in HEAD~3, but no row's ROUGE-1 moved by more" in text
    assert "Nothing is committed for you." in text
    assert UNDO in text and "make accept" in text

    text = reproduction_text([SAME, MOVED, LEFT, LOST], against="HEAD")
    assert "ablations/no-l2, t5" in text
    assert next(line for line in text.splitlines() if line.startswith("t5")).split()[4:] == ["47.68", "–", "–", "differs"]
    assert "nan" not in text


README = "# Title\n\nbefore\n\n<!-- table: begin -->\nold\n<!-- table: end -->\n\nafter\n"


def test_the_table_goes_between_the_markers(tmp_path: Path) -> None:
    summary, readme = tmp_path / "summary.md", tmp_path / "README.md"
    summary.write_text("| System |\n|---|\n| ClipSum |\n\nA caption.\n")
    readme.write_text(README)
    put_table(summary, readme)
    once = readme.read_text()
    assert once == README.replace("old\n", "| System |\n|---|\n| ClipSum |\n\nA caption.\n")
    put_table(summary, readme)
    assert readme.read_text() == once


@pytest.mark.parametrize(
    "text",
    [
        "no markers\n",
        README.replace("<!-- table: end -->", ""),
        README + README,
        "<!-- table: end -->\n<!-- table: begin -->\n",
    ],
)
def test_a_readme_without_its_markers_is_left_alone(tmp_path: Path, text: str) -> None:
    summary, readme = tmp_path / "summary.md", tmp_path / "README.md"
    summary.write_text("| System |\n")
    readme.write_text(text)
    with pytest.raises(ValueError, match=r"README.md: the table goes between one line <!-- table: begin -->"):
        put_table(summary, readme)
    assert readme.read_text() == text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["README.md", "summary.md"]

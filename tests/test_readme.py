"""README.md says what the project does: its table is the committed one, and what it names is there."""

import re
import subprocess
from pathlib import Path

from pipeline.report.readme import put_table

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_the_table_is_that_of_the_committed_results(tmp_path: Path) -> None:
    """Of those in git, and not of what a machine of another kind may just have made."""
    shown = subprocess.run(["git", "show", "HEAD:reports/summary.md"], cwd=ROOT, capture_output=True, text=True, check=True)
    (tmp_path / "summary.md").write_text(shown.stdout)
    (tmp_path / "README.md").write_text(README)
    put_table(tmp_path / "summary.md", tmp_path / "README.md")
    assert (tmp_path / "README.md").read_text() == README, "run `make accept`"


def test_it_is_short_and_its_links_lead_somewhere() -> None:
    assert len(README.splitlines()) < 150
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    for page in pages:
        for link in re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_every_target_it_names_is_in_the_makefile() -> None:
    targets = set(re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text()))
    named = {
        name
        for page in [README, *(path.read_text() for path in (ROOT / "docs").glob("*.md") if path.name != "LOG.md")]
        for name in re.findall(r"`(?:\w+=\S+ )*make ([a-z-]+)`", page)
    }
    assert {"demo", "verify", "accept"} <= named <= targets


def test_every_file_that_the_docs_name_is_there() -> None:
    for path in [ROOT / "README.md", ROOT / "docs" / "changing.md", ROOT / "docs" / "metrics.md", ROOT / "docs" / "encoders.md"]:
        for name in re.findall(r"`((?:pipeline|tests|docs|stages|studies)/[\w/.-]+)`", path.read_text()):
            assert (ROOT / name).exists(), f"{path.name}: {name}"

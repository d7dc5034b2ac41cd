"""What was just made against what is committed: row by row, and one verdict."""

import subprocess
from pathlib import Path

import pytest

from pipeline.base.files import write_json_lines
from pipeline.evaluation.reproduction import compare_with, overall
from pipeline.scoring.record import write_record
from tests.records import record

NOISE = "within the noise of seeds"
IDENTITY = ["-c", "user.name=test", "-c", "user.email=test@example.org"]


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", *IDENTITY, *arguments], cwd=root, check=True, capture_output=True)


def write(root: Path, row: str, *, texts: tuple[str, ...], mean: float, std: float | None = 1.0) -> None:
    rows = [{"video_id": f"v{number}", "seed": 0, "prediction": text, "reference": "r"} for number, text in enumerate(texts)]
    write_json_lines(root / "predictions" / f"{row}.jsonl", rows)
    write_record(root / "metrics" / f"{row}.json", record(Path(row).name, mean=mean, std=std))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with the results of two rows and an ablation."""
    for row in ("bart", "clipsum", "ablations/prefix"):
        write(tmp_path, row, texts=("one", "two"), mean=50.0)
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "results")
    return tmp_path


def test_the_same_bytes_are_identical(root: Path) -> None:
    lines = compare_with("HEAD", root=root)
    assert [line.row for line in lines] == ["ablations/prefix", "bart", "clipsum"]
    assert all((line.summaries, line.different, line.verdict) == (2, 0, "identical") for line in lines)
    assert overall(lines) == "identical"


@pytest.mark.parametrize(
    ("mean", "verdict"), [(51.9, "within the noise of seeds"), (48.1, "within the noise of seeds"), (52.1, "differs")]
)
def test_a_score_is_measured_in_deviations_of_its_seeds(root: Path, mean: float, verdict: str) -> None:
    write(root, "bart", texts=("one", "2"), mean=mean)
    line = next(line for line in compare_with("HEAD", root=root) if line.row == "bart")
    assert (line.different, line.before, line.after, line.verdict) == (1, 50.0, mean, verdict)
    assert line.deviations == pytest.approx(mean - 50.0)
    assert overall(compare_with("HEAD", root=root)) == verdict


def test_other_summaries_without_any_deviation_to_measure_by_differ(root: Path) -> None:
    write(root, "clipsum", texts=("one", "two"), mean=50.0, std=None)
    git(root, "commit", "-qam", "one seed")
    write(root, "clipsum", texts=("one", "three"), mean=50.1, std=None)
    assert overall(compare_with("HEAD", root=root)) == "differs"


def test_a_row_that_only_one_side_has_differs(root: Path) -> None:
    write(root, "t5", texts=("one",), mean=40.0)
    (root / "predictions" / "bart.jsonl").unlink()
    verdicts = {line.row: line.verdict for line in compare_with("HEAD", root=root)}
    assert verdicts == {"ablations/prefix": "identical", "bart": "differs", "clipsum": "identical", "t5": "differs"}


def test_a_commit_without_results_is_refused_by_name(root: Path) -> None:
    with pytest.raises(RuntimeError, match="git ls-tree"):
        compare_with("nowhere", root=root)
    git(root, "rm", "-rq", "predictions")
    git(root, "commit", "-qm", "none")
    with pytest.raises(RuntimeError, match="HEAD: no predictions are committed"):
        compare_with("HEAD", root=root)

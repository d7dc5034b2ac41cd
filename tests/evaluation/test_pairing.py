"""Two files against each other, without a study: the figures are the report's, and what does not fit together is refused."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.evaluation.external_files import read_outputs, read_references
from pipeline.evaluation.pairing import COMPARABLE, as_json, as_table, check_aligned, pair
from pipeline.scoring.metrics import METRICS
from pipeline.scoring.predictions import Summaries, align
from pipeline.scoring.rouge import rouge
from pipeline.scoring.score import score_row
from pipeline.scoring.statistics import compare

ROOT = Path(__file__).parents[2]
WORDS = ("chop", "fry", "boil", "onion", "leek", "garlic", "the", "a", "pan", "oil")
REFERENCES = {f"v{number}": " ".join(random.Random(number).choices(WORDS, k=12)) for number in range(30)}


def said(noise: float, *, seeds: int = 1) -> Summaries:
    generator = random.Random(noise)
    return align(
        {
            "video_id": video,
            "seed": seed,
            "reference": text,
            "prediction": " ".join(generator.choice(WORDS) if generator.random() < noise else word for word in text.split()),
        }
        for seed in range(seeds)
        for video, text in REFERENCES.items()
    )


def test_scores_are_those_of_a_row_and_differences_those_of_the_report() -> None:
    a, b = said(0.2, seeds=3), said(0.5)
    found = {paired.metric.key: paired for paired in pair(a, b, resamples=300)}
    assert set(found) == {metric.key for metric in METRICS} - {"entity_f1"} == {metric.key for metric in COMPARABLE}
    scores, _ = score_row(a, resamples=300, seed=0)
    assert all(paired.a == scores[key] for key, paired in found.items())
    values = [[rouge("rouge2", texts, each.references) for texts in each.predictions] for each in (a, b)]
    expected = compare(*values, resamples=300, seed=0)
    mine = found["rouge2"]
    assert mine.difference.mean == pytest.approx(expected.mean, abs=1e-5)
    assert (mine.p_bootstrap, mine.p_randomisation) == (expected.p_bootstrap, expected.p_randomisation)
    assert mine.effect_size == pytest.approx(expected.effect_size or 0, abs=1e-5)
    assert mine.detectable == pytest.approx(expected.detectable(), abs=1e-4)
    assert mine.difference.mean > 0 and mine.p_bootstrap < 0.05


def test_corpus_bleu_has_an_interval_and_no_test_that_needs_videos() -> None:
    bleu = next(paired for paired in pair(said(0.2), said(0.5), resamples=300) if paired.metric.key == "bleu4")
    assert bleu.difference.mean == pytest.approx(bleu.a.mean - bleu.b.mean, abs=1e-5)
    assert 0 < bleu.difference.ci95_low < bleu.difference.mean < bleu.difference.ci95_high
    assert bleu.p_randomisation is None and bleu.effect_size is None and bleu.p_bootstrap < 0.05 and bleu.detectable > 0


def test_a_system_against_itself_differs_in_nothing() -> None:
    found = pair(said(0.3), said(0.3), resamples=200)
    assert {paired.difference.mean for paired in found} == {0.0}
    assert {paired.p_randomisation for paired in found} == {1.0, None}
    assert {paired.p_bootstrap for paired in found} == {1.0}
    assert set(as_table(found)["a - b [95 %]"]) == {"+0.00 [+0.00, +0.00]"}
    assert json.loads(json.dumps(as_json(found), allow_nan=False))["rouge1"]["difference"] == 0.0


def test_other_videos_and_other_references_are_refused() -> None:
    a = align([{"video_id": v, "seed": 0, "prediction": "x", "reference": "r"} for v in "abc"])
    fewer = align([{"video_id": v, "seed": 0, "prediction": "x", "reference": "r"} for v in "ab"])
    other = align([{"video_id": v, "seed": 0, "prediction": "x", "reference": f"r{v == 'b'}"} for v in "abc"])
    with pytest.raises(ValueError, match=r"two: no summary of 'c', which one has"):
        check_aligned(a, fewer, names=("one", "two"))
    with pytest.raises(ValueError, match=r"one: no summary of 'c', which two has"):
        check_aligned(fewer, a, names=("one", "two"))
    with pytest.raises(ValueError, match=r"one and two: different references of video 'a' \(3 such videos\)"):
        check_aligned(a, other, names=("one", "two"))


def stage(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "stages.compare", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_the_command_prints_a_table_and_says_what_does_not_fit(tmp_path: Path) -> None:
    (tmp_path / "refs.txt").write_text("chop the leek\nfry the onion\nboil it\n")
    (tmp_path / "a.txt").write_text("chop the leek\nfry an onion\n\n")
    (tmp_path / "b.txt").write_text("chop a leek\nfry\nboil it\n")
    files = ("a.txt", "b.txt", "--references", "refs.txt", "--resamples", "200")
    done = stage(tmp_path, *files, "--json", "out.json")
    assert done.returncode == 0, done.stderr
    assert "3 videos, seeds: 1" in done.stdout and "a.txt: 1 of 3 summaries are empty" in done.stdout
    references = read_references(tmp_path / "refs.txt")
    a, b = (read_outputs(tmp_path / name, references=references).summaries for name in ("a.txt", "b.txt"))
    found = json.loads((tmp_path / "out.json").read_text())
    assert found["metrics"] == json.loads(json.dumps(as_json(pair(a, b, resamples=200))))
    (tmp_path / "b.txt").write_text("chop a leek\n")
    wrong = stage(tmp_path, *files)
    assert wrong.returncode == 1 and "Traceback" not in wrong.stderr
    assert wrong.stderr.startswith("error: b.txt: 1 lines, but refs.txt has 3")

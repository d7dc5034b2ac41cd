"""Who wrote what is said: how many of each, scores apart, and ablations of the text on the videos that both have."""

from pathlib import Path

import pytest

from pipeline.base.files import write_json
from pipeline.base.paths import CORPUS
from pipeline.corpus.table import Video, write_corpus
from pipeline.report.ablations import ablation_caption, ablation_lines, ablation_markdown
from pipeline.report.families import REFERENCE, families
from pipeline.report.origins import origin_table
from tests.report_inputs import SETTINGS, add_ablation, change_metrics, load, make_inputs, references, training, write

ASR = {"dataset.transcripts": [], "dataset.subtitles": False}
WROTE = ("human", "asr:small.en")


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """Twelve test videos, of which every other one was heard."""
    make_inputs(tmp_path)
    videos = [
        Video(video, "test", f"{video}.mp4", transcript="said", transcript_origin=WROTE[number % 2], summary=summary)
        for number, (video, summary) in enumerate(references(12).items())
    ]
    write_corpus(videos, tmp_path / CORPUS)
    origins = {"train": dict.fromkeys(WROTE, 0), "validation": dict.fromkeys(WROTE, 0), "test": dict.fromkeys(WROTE, 6)}
    lost = [{"video_id": "quiet", "split": "train", "reason": "nothing is said: no speech was found in its sound"}]
    summary = {"origin": WROTE[1], "asked": 7, "ok": 6, "failed": 1, "lost": lost, "notes": [], "origins": origins}
    write_json(tmp_path / "metrics" / "speech.json", summary)
    return tmp_path


def test_scores_are_told_apart_by_who_wrote_the_text(inputs: Path, tmp_path: Path) -> None:
    results = load(inputs)
    table = origin_table(results, resamples=200)
    assert table is not None
    assert list(table.columns) == ["System", "asr:small.en (n = 6)", "human (n = 6)"]
    row = results.find("clipsum")
    assert row is not None
    cell = table.set_index("System").loc["ClipSum", "human (n = 6)"]
    assert cell.startswith(f"{row.scores('rouge1')[:, ::2].mean():.1f} [")
    page = (write(inputs, tmp_path / "out") / "index.html").read_text()
    assert "Scores by who wrote the transcript" in page and "nothing is said: no speech was found" in page
    assert "Of 7 videos without a transcript, 6 got one from their own sound (asr:small.en)." in page


def test_nothing_is_told_apart_where_there_is_one_origin_or_no_row_reads_it(inputs: Path) -> None:
    change_metrics(inputs, "bart", lambda record: record["training"]["settings"].update({"text.source": "steps"}))
    assert load(inputs).trained[0].name == "bart"
    assert origin_table(load(inputs), resamples=50) is None


def test_an_ablation_of_the_text_is_compared_on_the_videos_that_both_have(inputs: Path) -> None:
    names = [line.ablation.name for line in ablation_lines(load(inputs), resamples=50)]
    assert {"text-files", "text-subtitles", "text-asr"} <= set(names)
    other = {"code": "mno", "text_model": "def", "encoder": "ghi", "corpus": "heard", "seen": "fewer", "checkpoints": "x"}
    settings = {"training": training("frozen", (0, 1), 0.3) | {"settings": SETTINGS}}
    add_ablation(inputs, "text-asr", ASR, videos=8, made_from=other, **settings)
    results = load(inputs)
    lines = {line.ablation.name: line for line in ablation_lines(results, resamples=300)}
    line, base = lines["text-asr"], results.find(REFERENCE)
    assert line.state == "run" and line.row is not None and line.found is not None and base is not None
    common = len(set(base.summaries.videos) & set(line.row.summaries.videos))
    assert line.videos == common >= 1
    assert "Heard by the recogniser alone: compared on the" in ablation_caption(results, list(lines.values()))
    assert "not run" in ablation_markdown(results, list(lines.values()))
    assert (lines["text-files"].state, lines["no-l2"].state) == ("not run", "not run")


def test_an_ablation_of_the_text_with_other_settings_is_outdated(inputs: Path) -> None:
    settings = {"training": training("frozen", (0, 1), 0.3) | {"settings": SETTINGS}}
    add_ablation(inputs, "text-asr", {"dataset.transcripts": ["files"]}, **settings)
    states = {line.ablation.name: line.state for line in ablation_lines(load(inputs), resamples=50)}
    assert states["text-asr"] == "outdated"


def test_a_study_that_listens_to_nothing_has_no_such_ablation_and_no_larger_family(inputs: Path) -> None:
    (inputs / "metrics" / "speech.json").unlink()
    assert not any(line.ablation.texts for line in ablation_lines(load(inputs), resamples=50))
    assert not any(pair[1].startswith("text-") for pair in families()["ablations"])

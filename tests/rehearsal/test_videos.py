"""The handful of videos: files of the asked length, and inputs that stage `download` reads as YouCook2."""

from collections import Counter
from pathlib import Path

import av

from pipeline.corpus.annotations import Annotation, read_annotations
from pipeline.corpus.summaries import read_summaries
from pipeline.corpus.youcook2 import ANNOTATIONS, held_out_split
from pipeline.rehearsal.videos import Handful, draw_files, write_inputs
from tests.rehearsal.small_project import HANDFUL


def test_files_have_their_length_and_size_and_are_drawn_once(tmp_path: Path) -> None:
    files = draw_files(HANDFUL, tmp_path, workers=1)
    for path, seconds in zip(files, HANDFUL.lengths, strict=True):
        with av.open(str(path)) as container:
            (stream,) = container.streams.video
            assert (stream.width, stream.height) == HANDFUL.size
            assert sum(1 for _ in container.decode(stream)) == seconds * HANDFUL.fps
    before = [path.stat().st_mtime_ns for path in files]
    assert draw_files(HANDFUL, tmp_path, workers=1) == files
    assert [path.stat().st_mtime_ns for path in files] == before


def test_inputs_are_those_of_youcook2(tmp_path: Path) -> None:
    files = []
    for number in range(len(HANDFUL.lengths)):
        files.append(tmp_path / f"{number}.mp4")
        files[-1].write_bytes(bytes([number]))
    folder = tmp_path / "inputs"
    for _ in range(2):  # a second run finds what the first has written
        write_inputs(HANDFUL, files, folder)
    annotations = read_annotations(folder / ANNOTATIONS, recipes=folder / "label_foodtype.csv")
    splits = Counter()
    for entry in annotations:
        assert isinstance(entry, Annotation)
        splits["train" if entry.split == "train" else held_out_split(entry.video_id)] += 1
        assert len(entry.video_id) == 11 and len(entry.steps) >= 9
        assert (folder / "videos" / f"{entry.video_id}.mp4").stat().st_nlink > 1, "linked, not copied"
    assert splits == {"train": HANDFUL.train, "validation": HANDFUL.validation, "test": HANDFUL.test}
    assert len({entry.steps for entry in annotations if isinstance(entry, Annotation)}) == HANDFUL.videos
    summaries = read_summaries(folder / "summaries.jsonl")
    assert set(summaries) == {entry.video_id for entry in annotations}


def test_at_full_size_a_training_split_is_one_whole_batch() -> None:
    assert Handful().train == 16 and Handful().validation >= 2 and Handful().test >= 2
    assert all(180 <= seconds <= 300 for seconds in Handful().lengths)

"""Clips joined to one file: every frame is there, in order, and clips that cannot be joined so are refused."""

import shutil
import subprocess
from pathlib import Path

import av
import pytest

from pipeline.corpus.clips import join_clips
from tests.drawn_videos import draw_sound, draw_video, four_corners


@pytest.mark.parametrize("sound", [False, True])
def test_a_joined_file_shows_every_frame_of_its_clips_in_order(tmp_path: Path, sound: bool) -> None:
    """With frames that are decoded in another order than they are shown."""
    lengths = (30, 7, 50)
    clips = [
        draw_video(tmp_path / f"{place}.mp4", frames=frames, sound=sound, options={"bf": "3"})
        for place, frames in enumerate(lengths)
    ]
    segments = join_clips(clips, tmp_path / "joined.mp4")
    with av.open(str(tmp_path / "joined.mp4")) as joined:
        times = [frame.time for frame in joined.decode(video=0)]
        assert bool(joined.streams.audio) == sound
    assert len(times) == sum(lengths) and times == sorted(times)
    inside = [sum(start - 0.001 <= time < end for time in times) for start, end in segments]
    assert inside == list(lengths)


def test_clips_that_do_not_fit_together_are_refused(tmp_path: Path) -> None:
    first = draw_video(tmp_path / "a.mp4", frames=12)
    wider = draw_video(tmp_path / "b.mp4", frames=12, width=128, picture=four_corners)
    sound = draw_sound(tmp_path / "c.mp4")
    (tmp_path / "d.mp4").write_bytes(b"no video")
    for other, message in (
        (wider, "differ in the form of their video"),
        (sound, "no film"),
        (tmp_path / "d.mp4", "cannot be joined"),
    ):
        with pytest.raises(ValueError, match=message):
            join_clips([first, other], tmp_path / "joined.mp4")
    assert not (tmp_path / "joined.mp4").exists()


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="it takes the program ffmpeg to cut clips")
def test_clips_that_hide_frames_are_refused(tmp_path: Path) -> None:
    """Cut without decoding, between two key frames: what comes before the cut is in the file, and not shown."""
    whole = draw_video(tmp_path / "whole.mp4", frames=100, sound=True, options={"g": "50"})
    for name, start in (("hiding", "1"), ("open", "2")):
        ends = ["-i", str(whole), "-t", "1", "-c", "copy", str(tmp_path / f"{name}.mp4")]
        subprocess.run(["ffmpeg", "-v", "error", "-ss", start, *ends], check=True, timeout=60)
    opened = tmp_path / "open.mp4"
    with pytest.raises(ValueError, match=r"one of its clips hides 25 of its [0-9]+ frames"):
        join_clips([opened, tmp_path / "hiding.mp4"], tmp_path / "joined.mp4")
    assert not (tmp_path / "joined.mp4").exists()
    assert len(join_clips([opened, opened], tmp_path / "joined.mp4")) == 2, "cut at a key frame it hides nothing"

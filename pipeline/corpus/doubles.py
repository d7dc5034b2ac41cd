"""A video that a dataset has several times counts once, and never in two splits: what is left out is a lost row that says so."""

from collections.abc import Iterable
from dataclasses import replace

from pipeline.corpus.table import SPLITS, Video


def once_each(rows: Iterable[tuple[Video, str]]) -> list[Video]:
    """The videos, each id once, in their order; `rows` are a video and the place where it stands, for the reason.

    Of several rows of one video a usable one counts, then that of the split which is held out most (test, then validation), then
    the first. The others get ids of their own, `<id>.2` and so on.
    """
    every = list(rows)
    best: dict[str, tuple[Video, str]] = {}
    for video, place in every:
        if video.video_id not in best or _rank(video) > _rank(best[video.video_id][0]):
            best[video.video_id] = (video, place)
    taken = set(best)
    videos = []
    for video, place in every:
        counted, elsewhere = best[video.video_id]
        if video is counted:
            videos.append(video)
            continue
        number = 2
        while (own := f"{video.video_id}.{number}") in taken:
            number += 1
        taken.add(own)
        reason = f"{place}: the video of {elsewhere} again"
        videos.append(replace(video, video_id=own, video_path="", status="failed", reason=reason))
    return videos


def _rank(video: Video) -> tuple[bool, int]:
    return video.status == "ok", SPLITS.index(video.split)

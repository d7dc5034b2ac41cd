"""Test videos with their frames, texts and scores, as data for a page's own browser of videos.

The data stand in a script element of type `application/json`. There `<`, `>` and `&` are written as escapes, so that no text
of a video, a reference or a summary can end the element.
"""

import base64
import binascii
import json
from typing import Any

from pipeline.base.paths import STORYBOARDS
from pipeline.report.results import Results

TEXT_ONLY, REFERENCE = "bart", "clipsum"


def browser_data(results: Results, places: range) -> dict[str, Any]:
    """Rows with their titles, the seeds, and one entry for each video at `places`, in the order of ids. `gain` is the primary
    metric of clipsum minus text only, mean over seeds.

    `summaries` and `scores` (the primary metric; of a control with several draws, their mean) are `[row][seed]`.
    """
    summaries = results.rows[0].summaries
    scores = {row.name: row.scores(results.primary.key) for row in results.rows}
    means = {name: values.mean(axis=0) for name, values in scores.items()}
    gains = means[REFERENCE] - means[TEXT_ONLY] if {REFERENCE, TEXT_ONLY} <= means.keys() else None
    videos = []
    for place in places:
        video = summaries.videos[place]
        videos.append(
            {
                "id": video,
                "source": results.sources.get(video, ""),
                "reference": summaries.references[place],
                "frames": [checked_image(image, video) for image in (results.storyboards or {}).get(video, [])],
                "summaries": [[texts[place] for texts in row.summaries.predictions] for row in results.rows],
                "scores": [[round(float(score), 1) for score in scores[row.name][:, place]] for row in results.rows],
                "gain": None if gains is None else round(float(gains[place]), 1),
            }
        )
    return {
        "seeds": list(results.rows[0].summaries.seeds),
        "rows": [{"name": row.name, "title": row.title, "kind": row.record.kind} for row in results.rows],
        "videos": videos,
    }


def as_script(data: dict[str, Any]) -> str:
    """JSON that is safe inside a script element."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return (
        text.replace("<", "\\u003c")
        .replace(">", "\\u003e")
        .replace("&", "\\u0026")
        .replace("\u2028", "\\u2028")
        .replace("\u2029", "\\u2029")
    )


def first_videos(data: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """The first videos by id with the first seed's summaries, for readers without JavaScript."""
    titles = [row["title"] for row in data["rows"]]
    return [
        video
        | {
            "rows": [
                (title, texts[0], scores[0])
                for title, texts, scores in zip(titles, video["summaries"], video["scores"], strict=True)
            ]
        }
        for video in data["videos"][:count]
    ]


def checked_image(image: str, video: str) -> str:
    """A frame as base64 of a JPEG; anything else is a `ValueError` that names the video."""
    try:
        data = base64.b64decode(image, validate=True)
    except binascii.Error as error:
        raise ValueError(
            f"{STORYBOARDS}: video {video!r}: a frame is not base64 ({error}); run `dvc repro sample_frames`"
        ) from error
    if not data.startswith(b"\xff\xd8"):
        raise ValueError(f"{STORYBOARDS}: video {video!r}: a frame is not a JPEG; run `dvc repro sample_frames`")
    return image

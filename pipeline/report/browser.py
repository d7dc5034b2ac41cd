"""Test videos with their frames, texts and scores, as data for a page's own browser of videos.

The data stand in a script element of type `application/json`. There `<`, `>` and `&` are written as escapes, so that no text
of a video, a reference or a summary can end the element.
"""

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Any

from pipeline.base.paths import STORYBOARDS
from pipeline.report.marks import marked_source, marked_summary, names_exactly
from pipeline.report.palette import role_of
from pipeline.report.results import Results
from pipeline.report.tables import marked_title

TEXT_ONLY, REFERENCE = "bart", "clipsum"


def browser_data(results: Results, places: Sequence[int]) -> dict[str, Any]:
    """Rows with their titles, the seeds, and one entry for each video at `places`, in the order of ids. `gain` is the primary
    metric of clipsum minus text only, mean over seeds.

    Texts are marked, as `pipeline.report.marks` says. `texts` has each summary of a video once, with whether it names exactly the
    video's entities; `said` has its place there, and `scores` the primary metric (of a control with several draws, their mean),
    both `[row][seed]`. `looks` are those of the row and seed `attended`.
    """
    summaries, known, attended = results.rows[0].summaries, results.known, results.attended
    scores = {row.name: row.scores(results.primary.key) for row in results.rows}
    means = {name: values.mean(axis=0) for name, values in scores.items()}
    gains = means[REFERENCE] - means[TEXT_ONLY] if {REFERENCE, TEXT_ONLY} <= means.keys() else None
    videos = []
    for place in places:
        video = summaries.videos[place]
        said = [[texts[place] for texts in row.summaries.predictions] for row in results.rows]
        texts = {text: number for number, text in enumerate(dict.fromkeys(text for seeds in said for text in seeds))}
        looks = None if attended is None else attended.videos.get(video)
        videos.append(
            {
                "id": video,
                "source": marked_source(results.sources.get(video, ""), known, video),
                "reference": marked_summary(summaries.references[place], known, video),
                "entities": [] if known is None else sorted(known.of[video]),
                "frames": [checked_image(image, video) for image in (results.storyboards or {}).get(video, [])],
                "texts": [[marked_summary(text, known, video), int(names_exactly(text, known, video))] for text in texts],
                "said": [[texts[text] for text in seeds] for seeds in said],
                "scores": [[round(float(score), 1) for score in scores[row.name][:, place]] for row in results.rows],
                "gain": None if gains is None else round(float(gains[place]), 1),
                "looks": None if looks is None else looks.model_dump(),
            }
        )
    names = [row.name for row in results.rows]
    return {
        "seeds": list(results.rows[0].summaries.seeds),
        "rows": [{"name": row.name, "title": marked_title(row.record), "role": role_of(row)} for row in results.rows],
        "pair": _pair(names),
        "entities": [] if known is None else sorted(known.names),
        "attended": None if attended is None else {"row": attended.of, "seed": attended.seed},
        "metric": results.primary.title,
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
    """The first videos by id with the first seed's summaries of two systems, for readers without JavaScript."""
    names = [row["name"] for row in data["rows"]]
    compared = [names.index(name) for name in dict.fromkeys(data["pair"])]
    return [
        video
        | {"rows": [(data["rows"][row], video["texts"][video["said"][row][0]][0], video["scores"][row][0]) for row in compared]}
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


def _pair(names: list[str]) -> list[str]:
    """What is compared at first: ClipSum with text alone, or whatever there is."""
    found = [name for name in (REFERENCE, TEXT_ONLY) if name in names] + names
    return [found[0], next((name for name in found if name != found[0]), found[0])]

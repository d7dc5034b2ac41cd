"""A few videos where vision decides: ClipSum's summary gains most over text alone. They are picked, and the page says so."""

import base64
from dataclasses import dataclass

from PIL import Image

from pipeline.frames.store import FrameStore, jpeg_bytes
from pipeline.report.attention import Looks
from pipeline.report.browser import REFERENCE, TEXT_ONLY
from pipeline.report.marks import Part, marked_source, marked_summary
from pipeline.report.palette import Role, role_of
from pipeline.report.results import Results, Row

COUNT = 3
MOST_FRAMES = 8
WIDTH = 256  # pixels, at most
_QUALITY = 88


@dataclass(frozen=True)
class Shot:
    """A frame as base64 of a JPEG, with its time, and its place among the frames that the systems saw."""

    image: str
    seconds: float
    place: int


@dataclass(frozen=True)
class Said:
    """Systems that say the same, as title and role, and what they say."""

    systems: list[tuple[str, Role]]
    parts: list[Part]


@dataclass(frozen=True)
class Highlight:
    """A video; `gain` is in the primary metric, `looks` of the reference's summary where they are known."""

    video: str
    gain: float
    shots: list[Shot]
    looks: Looks | None
    source: list[Part]
    reference: list[Part]
    said: list[Said]


def highlights(results: Results) -> list[Highlight]:
    """The videos with the largest gain of the first seed; of those with the same, the ones with most entities. No two have the
    same entities. None without both rows, or without a gain.
    """
    clipsum, bart = results.find(REFERENCE), results.find(TEXT_ONLY)
    if clipsum is None or bart is None:
        return []
    gains = (clipsum.scores(results.primary.key) - bart.scores(results.primary.key))[0]
    of = {} if results.known is None else results.known.of
    places = [place for place in range(len(gains)) if gains[place] > 0]
    places.sort(key=lambda place: (-gains[place], -len(of.get(results.shared_videos[place], ())), place))
    chosen: list[int] = []
    for place in places:
        entities = of.get(results.shared_videos[place])
        if len(chosen) < COUNT and not (entities and entities in [of.get(results.shared_videos[other]) for other in chosen]):
            chosen.append(place)
    return [_highlight(results, place, float(gains[place])) for place in chosen]


def _highlight(results: Results, place: int, gain: float) -> Highlight:
    video, known = results.shared_videos[place], results.known
    looks = None if results.attended is None else results.attended.videos.get(video)
    shots = [] if results.pictures is None else _shots(results.pictures, video, looks)
    reference = marked_summary(results.rows[0].summaries.references[place], known, video)
    told: dict[str, list[Row]] = {}
    for row in (row for row in results.trained if not row.is_calibration):
        told.setdefault(row.summaries.predictions[0][place], []).append(row)
    said = [Said([(row.title, role_of(row)) for row in rows], marked_summary(text, known, video)) for text, rows in told.items()]
    return Highlight(video, gain, shots, looks, marked_source(results.sources.get(video, ""), known, video), reference, said)


def _shots(store: FrameStore, video: str, looks: Looks | None) -> list[Shot]:
    """All frames, or, of many, those most attended to by an entity and others evenly between them."""
    if video not in store.video_ids:
        return []
    images, seconds = store.images(video), store.pts_seconds(video).tolist()
    places = {} if looks is None else dict.fromkeys(named.most for named in looks.named.values())
    evenly = [round(n * (len(images) - 1) / (MOST_FRAMES - 1)) for n in range(MOST_FRAMES)]
    chosen = range(len(images)) if len(images) <= MOST_FRAMES else sorted(list(dict.fromkeys([*places, *evenly]))[:MOST_FRAMES])
    return [Shot(_encoded(images[place]), float(seconds[place]), place) for place in chosen]


def _encoded(image: Image.Image) -> str:
    if image.width > WIDTH:
        image = image.resize((WIDTH, max(1, round(image.height * WIDTH / image.width))))
    return base64.b64encode(jpeg_bytes(image, quality=_QUALITY)).decode("ascii")

"""WikiHow Summaries: how-to videos with the steps of the article that they belong to, which people wrote.

Of "TL;DW? Summarizing Instructional Videos with Task Relevance & Cross-Modal Saliency" (ECCV 2022). In `dataset.folder`:

    how_to_steps/<Title-of-the-article>.json   or how_to_steps.tar.gz with them; fetched when neither is there
    transcripts/ or transcripts.tar            optional: `<YouTube id>.txt`, or `.vtt` or `.srt`
    videos/                                    `<YouTube id>.<any extension>`

A file is `{"video_url", "1": {"text", "img", "vid"}, "2": ...}`: a step's headline, and the picture or the clip that the article
shows with it. The headlines are the reference. Pictures and clips are not read, and when a step is shown is not in these files.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

from pipeline.base.dataset_params import WikiHowDataset
from pipeline.base.files import listed
from pipeline.base.text_files import parse_json
from pipeline.corpus.archives import naming_damage, open_members
from pipeline.corpus.doubles import once_each
from pipeline.corpus.downloads import FetchError, fetch_pinned
from pipeline.corpus.entities import add_entities
from pipeline.corpus.fields import field, printable, sentence
from pipeline.corpus.folder import hashed_split
from pipeline.corpus.sources import find_transcripts, find_videos, spoken
from pipeline.corpus.table import Video, join_steps

FOLDER = "how_to_steps"
ARCHIVE = "how_to_steps.tar.gz"
_MOST_BYTES = 1 << 26  # of the archive, and of what is in it: some ten times what the real one has
_LONGEST_FILE = 1 << 20
_VIDEO = re.compile(r"https?://(?:www\.)?youtube(?:-nocookie)?\.com/embed/([A-Za-z0-9_-]{11})(?:[?/#].*)?", re.ASCII)
_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]+", re.ASCII)


@dataclass(frozen=True)
class Article:
    """A file of the dataset. `reason` says why it cannot be used; then `video_id` is made from its name if it has none."""

    file: str
    title: str
    video_id: str
    steps: tuple[str, ...] = ()
    reason: str = ""


def read_videos(settings: WikiHowDataset, *, workers: int = 1) -> list[Video]:
    """One `Video` for every article, in the order of their names; what cannot be used is a lost row.

    Raises `RuntimeError` when nothing supplies the articles, `ValueError` for a folder without any.
    """
    articles = read_articles(settings)
    usable = [article.video_id for article in articles if not article.reason]
    asked = list(dict.fromkeys(usable))
    videos, lost = find_videos(asked, settings.videos) if settings.videos else ({}, {})
    transcripts = find_transcripts(settings, asked, known={article.video_id for article in articles})
    rows = []
    for article in articles:
        path = videos.get(article.video_id)
        reason = article.reason or lost.get(article.video_id, "")
        text, origin = spoken(article.video_id, transcripts, written_by=settings.transcripts_by)
        row = Video(
            video_id=article.video_id,
            split=hashed_split(article.video_id),
            video_path=path.as_posix() if path is not None else "",
            recipe=article.title,
            steps=article.steps,
            transcript=text,
            transcript_origin=origin,
            summary=join_steps(article.steps),
            status="failed" if reason else "ok",
            reason=reason,
        )
        rows.append((row, article.file))
    return add_entities(once_each(rows), settings.entities)


def read_articles(settings: WikiHowDataset) -> list[Article]:
    """The articles, in the order of their names, from the folder, from the archive in the folder, or from `articles_url`."""
    place = Path(settings.folder) / FOLDER
    source = place if place.is_dir() else _get_archive(settings)
    articles = [_read_article(name, content) for name, content in sorted(_files(source))]
    if not articles:
        raise ValueError(f"{source} has no .json file of an article; delete it to have it fetched")
    if wordless := sum(article.reason == "" and "" in article.steps for article in articles):
        print(f"{source}: {wordless} articles have steps without words, a picture alone; those steps are left out")
    return [_with_words(article) for article in articles]


def _get_archive(settings: WikiHowDataset) -> Path:
    path = Path(settings.folder) / ARCHIVE
    try:
        fetch_pinned(
            settings.articles_url, path, title="articles", max_bytes=_MOST_BYTES, sha256=settings.articles_sha256,
            key="dataset.articles_sha256",
        )  # fmt: skip
    except FetchError as error:
        raise RuntimeError(
            f"WikiHow Summaries: {error}. Get datasets/{ARCHIVE} of github.com/medhini/Instructional-Video-Summarization and put "
            f"it, or the folder {FOLDER} inside, into {path.parent}/"
        ) from error
    return path


def _files(source: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of each `.json` file; of one that is too long, the first byte too many as well."""
    if source.is_dir():
        for path in listed(source, "*.json"):
            with path.open("rb") as stream:
                yield printable(path.name), stream.read(_LONGEST_FILE + 1)
        return
    with naming_damage(source):
        for name, open_member in open_members(source, _MOST_BYTES):
            member = PurePosixPath(name)
            if member.suffix == ".json" and not member.name.startswith("."):
                with open_member() as stream:
                    yield printable(member.name), stream.read(_LONGEST_FILE + 1)


def _read_article(file: str, content: bytes) -> Article:
    stem = PurePosixPath(file).stem
    title = " ".join(unquote(stem).replace("-", " ").split())
    video_id = _UNSAFE.sub("_", stem).strip("_.-")[:150] or "article"
    try:
        if len(content) > _LONGEST_FILE:
            raise ValueError(f"{file}: longer than {_LONGEST_FILE >> 20} MB")
        try:
            entry = parse_json(content.decode("utf-8-sig"), where=file)
        except UnicodeDecodeError as error:
            raise ValueError(f"{file}: not UTF-8 (byte {error.start})") from error
        url = field(entry, "video_url", str, where=file)
        address = _VIDEO.fullmatch(url)
        if address is None:
            raise ValueError(f"{file}.video_url: no video of YouTube: {url[:80]!r}")
        video_id = address[1]
        return Article(file, title, video_id, _steps(entry, file))
    except ValueError as error:
        return Article(file, title, video_id, reason=printable(str(error)))


def _steps(entry: dict[str, Any], file: str) -> tuple[str, ...]:
    """Headlines in the order of their numbers, empty ones among them; none at all is a `ValueError`."""
    strange = [key for key in entry if key != "video_url" and not re.fullmatch("[0-9]{1,4}", key, re.ASCII)]
    if strange:
        raise ValueError(f"{file}: the key {strange[0][:80]!r} is neither video_url nor the number of a step")
    numbers = sorted((key for key in entry if key != "video_url"), key=int)
    steps = tuple(sentence(field(entry[key], "text", str, where=f"{file}.{key}"), where=f"{file}.{key}.text") for key in numbers)
    if not any(steps):
        raise ValueError(f"{file}: no steps")
    return steps


def _with_words(article: Article) -> Article:
    return Article(article.file, article.title, article.video_id, tuple(filter(None, article.steps)), article.reason)

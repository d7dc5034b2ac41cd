"""Blocks of a study that say where its videos and texts come from."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from pipeline.base.blocks import Block, Count, NonNegative, Positive, Rate, Share
from pipeline.base.chat_params import Chat
from pipeline.base.files import listed

# Metrics that have a figure for every video; `pipeline.scoring.metrics` says what each is.
MetricName = Literal["entity_f1", "content_f1", "rouge1", "rouge2", "rougeL"]
# Metrics that need the weights of a model; the stage `extra_scores` has them.
ExtraMetric = Literal["bertscore", "clipscore"]
OneLine = Annotated[str, Field(pattern=r"^\S(.*\S)?$")]
RowName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_-]*$")]
RECOGNISERS = Path(__file__).parents[1] / "speech" / "recognisers"


def _below(path: str) -> str:
    if not path or path.startswith("/") or ".." in Path(path).parts:
        raise ValueError(f"{path!r} is no path below the study's folder of data/inputs/")
    return path


InputPath = Annotated[str, AfterValidator(_below)]
Sha256 = Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")]  # empty: nobody knows it; what comes is told and taken
Commit = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
HubName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-][\w.-]*/[\w-][\w.-]*$")]


class Speech(Block):
    """How videos that have no text are heard: `models` are hub repositories by the kind of device."""

    recogniser: str
    models: dict[str, HubName]
    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}$")]
    beams: Positive
    max_seconds: Rate
    max_failed_share: Share

    @model_validator(mode="after")
    def _check(self) -> "Speech":
        known = sorted(path.stem for path in listed(RECOGNISERS, "[!_]*.py"))
        if self.recogniser not in known:
            raise ValueError(
                f"recogniser: {self.recogniser!r} is none of {', '.join(known)}, the files of pipeline/speech/recognisers"
            )
        if sorted(self.models) != ["cpu", "cuda"]:
            raise ValueError(f"models: {', '.join(sorted(self.models))}; name a model for each kind of device, cpu and cuda")
        for model in self.models.values():
            if model.endswith(".en") and self.language != "en":
                raise ValueError(f"language: {self.language!r}, but {model} knows English alone; take the model without .en")
        return self


class KitchenDataset(Block):
    name: Literal["kitchen"]
    seed: Count
    train: Positive
    validation: Positive
    test: Positive
    trained_on: Literal["short", "long"]
    tested_on: Literal["short", "long"]
    deictic_share: Share
    width: Positive
    height: Positive
    fps: Positive
    max_failed_share: Share


class FolderDataset(Block):
    name: Literal["folder"]
    table: str
    videos: str
    entities: str
    max_failed_share: Share

    def require_table(self) -> Path:
        """The table; a `ValueError` that says how to make one where there is none."""
        if not (table := Path(self.table)).is_file():
            raise ValueError(
                f"dataset.table: {table} is missing. Make it a CSV file (or .jsonl) with a row a video: columns video_id, file, "
                f"optionally split, recipe, steps, transcript, summary; `file` is relative to {self.videos} (dataset.videos). "
                "data/inputs/my_videos/example.csv is one"
            )
        return table


class HubArchive(Block):
    """An archive in a dataset repository of the hub, at one commit. `clips`: whether the clips of a video are joined to one."""

    repository: HubName
    file: InputPath
    revision: Commit
    sha256: Sha256
    clips: Literal["join", "leave"]


class Videos(Block):
    """Where videos come from, tried in this order: `folder`, `archive_url`, `hub`, YouTube.

    `archive_max_gb` holds for either archive.
    """

    folder: str
    archive_url: str
    archive_sha256: Sha256
    archive_max_gb: Rate
    hub: HubArchive | None
    youtube: bool
    max_height: Positive
    max_seconds: Rate
    rate_seconds: NonNegative
    retries: Count
    workers: Positive
    cookies: str


class OnlineDataset(Block):
    """A published dataset of videos that lie on YouTube; `videos` is None where none are wanted."""

    folder: str
    videos: Videos | None
    entities: str
    max_failed_share: Share


class SpokenDataset(OnlineDataset):
    """One without transcripts of its own: files of others, or subtitles."""

    subtitles: bool
    transcripts: list[Literal["files", "subtitles"]]
    transcripts_by: Annotated[str, Field(pattern=r"^(human|asr:[\w.-]+)$")]

    @model_validator(mode="after")
    def _check_subtitles(self) -> "SpokenDataset":
        if self.subtitles and "subtitles" not in self.transcripts:
            raise ValueError("subtitles: true fetches what transcripts leaves out; add subtitles to it, or set subtitles: false")
        if self.subtitles and (self.videos is None or not self.videos.youtube):
            raise ValueError("subtitles: they come with the videos from YouTube; set videos.youtube, or subtitles: false")
        return self


class YouCook2Dataset(SpokenDataset):
    name: Literal["youcook2"]
    annotations_url: str
    annotations_sha256: str
    splits: Literal["paper", "held_out"]
    summaries: Literal["steps", "file", "chat"]
    chat: Chat | None

    @model_validator(mode="after")
    def _check_chat(self) -> "YouCook2Dataset":
        if (self.summaries == "chat") != (self.chat is not None):
            raise ValueError(f"summaries: {self.summaries!r} does not go with chat: {'null' if self.chat is None else 'a block'}")
        return self


class WikiHowDataset(SpokenDataset):
    name: Literal["wikihow"]
    articles_url: str
    articles_sha256: Sha256


class VideoXumDataset(SpokenDataset):
    """`sha256` has the annotation files, by name."""

    name: Literal["videoxum"]
    repository: HubName
    revision: Commit
    sha256: dict[InputPath, Sha256]


class How2Dataset(OnlineDataset):
    """`sha256` has the files of texts, by their path in `folder`."""

    name: Literal["how2"]
    sha256: dict[InputPath, Sha256]


Dataset = KitchenDataset | FolderDataset | YouCook2Dataset | WikiHowDataset | VideoXumDataset | How2Dataset


class External(Block):
    """Somebody else's outputs, as a row of the table. Paths are below the study's folder of `data/inputs/`.

    `order` is a list of the ids of the lines of a text file, None if ids stand in `file` itself. `references` are compared with
    the study's, None if there are none to compare. `provenance` says whose outputs they are and where they are from.
    """

    title: OneLine
    file: InputPath
    order: InputPath | None = None
    references: InputPath | None = None
    provenance: OneLine

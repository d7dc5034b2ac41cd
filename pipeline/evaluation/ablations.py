"""What to vary about ClipSum, one thing at a time: Table 2 of the paper, and what it leaves out.

One list, read by `make ablations` and by the report. An ablation is one entry. Those whose settings are ClipSum's own in a study
are the row `clipsum` itself, and are not run.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.base.params import Study

COMMON_WIDTH = 96  # of the narrowest encoder at scale mini
Settings = Mapping[str, Any]  # flat: "model.fusion_layer", "frames.count", ...


@dataclass(frozen=True)
class Ablation:
    """`overrides` gives the settings that differ from those of `clipsum`, which it is given.

    `paper` is its line in the paper's Table 2, if it has one. `row` names a row of the table that is this ablation already;
    `of` the row that is varied. `texts`: it varies whose texts are read, for studies that listen to videos; other videos have
    none then, so that it shares only some with the row.
    """

    name: str
    group: str
    setting: str
    overrides: Callable[[Settings], dict[str, Any]]
    paper: tuple[str, str] | None = None
    row: str | None = None
    of: str = "clipsum"
    texts: bool = False

    @property
    def label(self) -> str:
        return f"{self.group}: {self.setting}"

    def varies(self, settings: Settings) -> bool:
        """Whether it differs from a `clipsum` of these settings."""
        return self.row is not None or any(settings.get(key) != value for key, value in self.overrides(settings).items())


def _set(key: str, value: Any) -> Callable[[Settings], dict[str, Any]]:
    return lambda settings: {key: value}


def _these(values: Mapping[str, Any]) -> Callable[[Settings], dict[str, Any]]:
    return lambda settings: dict(values)


ABLATIONS: tuple[Ablation, ...] = (
    *(
        Ablation(
            f"fusion-layer-{layer}", "fusion layer", str(layer), _set("model.fusion_layer", layer), ("fusion layer", str(layer))
        )
        for layer in (3, 4, 5, 6)
    ),
    Ablation("frames-half", "frames", "half", lambda own: {"frames.count": max(1, own["frames.count"] // 2)}, ("frames", "25")),
    Ablation("frames-base", "frames", "base", lambda own: {}, ("frames", "50")),
    Ablation("frames-double", "frames", "double", lambda own: {"frames.count": 2 * own["frames.count"]}, ("frames", "100")),
    Ablation("encoder-frozen", "encoder", "frozen", lambda own: {}, ("CLIP", "frozen")),
    Ablation("encoder-finetuned", "encoder", "fine-tuned", lambda own: {}, ("CLIP", "fine-tuned"), row="clipsum_finetuned"),
    Ablation("no-temporal", "without", "temporal module", _set("model.temporal", False)),
    Ablation("prefix", "without", "fusion (frames as a prefix)", _set("model.fusion", "prefix")),
    Ablation("mean-frames", "without", "temporal module and attention (mean-pooled frames)", _set("model.pooling", "mean")),
    *(
        Ablation(
            f"{row.replace('_', '-')}-width",
            "features mapped to one width",
            title,
            _set("model.common_width", COMMON_WIDTH),
            of=row,
        )
        for row, title in (("clipsum", "ClipSum"), ("vit_labels", "ViT-B/32 on labels"), ("resnet152", "ResNet-152"))
    ),
    Ablation("no-l2", "without", "L2 normalisation", _set("model.l2_normalise", False)),
    *(
        Ablation(f"text-{name}", "text", title, _these(values), texts=True)
        for name, title, values in (
            ("files", "transcripts alone", {"dataset.transcripts": ["files"], "dataset.subtitles": False, "speech": None}),
            ("subtitles", "subtitles alone", {"dataset.transcripts": ["subtitles"], "speech": None}),
            ("asr", "heard by the recogniser alone", {"dataset.transcripts": [], "dataset.subtitles": False}),
        )
    ),
)


def to_run(study: "Study") -> list[Ablation]:
    """Every ablation that a study has to train, in the order of the report."""
    settings = own_settings(study)
    listed = [ablation for ablation in ABLATIONS if ablation.row is None and (study.speech is not None or not ablation.texts)]
    return [ablation for ablation in listed if ablation.varies(settings)]


def own_settings(study: "Study") -> dict[str, Any]:
    """The settings of a study that ablations may vary."""
    blocks = {"model": study.model, "frames": study.frames, "dataset": study.dataset}
    speech = study.speech and study.speech.model_dump()
    return {"speech": speech} | {
        f"{block}.{key}": value for block, values in blocks.items() for key, value in values.model_dump().items()
    }

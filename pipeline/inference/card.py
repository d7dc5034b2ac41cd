"""The model card of a row: what the hub shows of it, from the row's own record and nothing else."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from ruamel.yaml import YAML

from pipeline.base.encoder_names import encoder_title
from pipeline.base.files import read_json, write_text
from pipeline.base.paths import metrics_file
from pipeline.base.templates import render
from pipeline.inference.chosen import Chosen
from pipeline.scoring.metrics import METRICS
from pipeline.scoring.record import RowRecord, read_record

IGNORED = 0.98  # entropy of attention over frames, of its largest value: beyond it every frame counts nearly alike
_SWAPPED = "swapped"  # the control that shows another video's frames


class Gain(Protocol):
    """What the right frames are worth to a model that sees the truth, where the text hides so much."""

    @property
    def dose(self) -> str: ...
    @property
    def mean(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...


class Calibrated(Protocol):
    """What the controls of a study say; None for one that has not been run. The report has it (`pipeline.report.calibration`)."""

    @property
    def sees(self) -> bool | None: ...
    @property
    def imagines_nothing(self) -> bool | None: ...
    @property
    def grows(self) -> bool | None: ...
    @property
    def calibrated(self) -> bool: ...
    @property
    def gains(self) -> Sequence[Gain]: ...


def write_card(path: Path, chosen: Chosen, record: RowRecord, *, calibration: Calibrated | None) -> None:
    """Write the card in Markdown. A value that the template needs and nobody has is an error, never a gap."""
    metrics = [metric for metric in METRICS if metric.key in record.metrics]
    first = [metric for metric in metrics if metric.key == record.primary.metric]
    metrics = first + [metric for metric in metrics if metric not in first]
    looks = None if record.training is None else record.training.looks.get(str(chosen.seed), {}).get("after")
    page = render(
        "inference/templates/card.md.jinja",
        front=_front_matter(chosen, record),
        chosen=chosen,
        record=record,
        study=chosen.study,
        metrics=metrics,
        seed=str(chosen.seed),
        encoder=None if chosen.row.encoder is None else encoder_title(chosen.row.encoder),
        sources=_sources(chosen),
        swapped=_swapped(record),
        entropy=None if looks is None else looks.entropy,
        ignored=IGNORED,
        calibration=calibration,
    )
    write_text(path, page)


def registered_name(study: str, row: str) -> str:
    """What the model is called in the registry, and on the card."""
    return f"clipsum-{study}-{row}"


def _front_matter(chosen: Chosen, record: RowRecord) -> str:
    """The YAML by which the hub sorts models: the scores are those of the seed that is handed on."""
    mini = chosen.study.scale == "mini"
    scores = [
        {"type": metric.key, "name": metric.title, "value": round(record.metrics[metric.key].per_seed[str(chosen.seed)].mean, 2)}
        for metric in METRICS
        if metric.key in record.metrics
    ]
    dataset = {"type": chosen.study.dataset.name, "name": chosen.study_name, "split": record.split}
    values: dict[str, Any] = {
        "language": ["en"],
        "license": "mit" if mini else "other",
        **({} if mini else {"license_name": "see-licence-section", "license_link": "#licence"}),
        "library_name": "clipsum-pipeline",
        "pipeline_tag": "summarization" if chosen.row.sees is None else "video-text-to-text",
        "tags": ["summarization", "instructional-videos", f"scale-{chosen.study.scale}"],
        "model-index": [
            {
                "name": registered_name(chosen.study_name, chosen.row.name),
                "results": [
                    {"task": {"type": "summarization", "name": "Video summarisation"}, "dataset": dataset, "metrics": scores}
                ],
            }
        ],
    }
    stream = io.StringIO()
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.dump(values, stream)
    return stream.getvalue().rstrip("\n")


def _sources(chosen: Chosen) -> list[tuple[str, str]]:
    """Where pretrained parts come from, as their weights' own files say it; what they do not say is said to be unknown."""
    row, found = chosen.row, []
    source = row.text_weights / "source.json"
    if source.exists():
        raw = read_json(source)
        found.append((f"text model `{row.text}`", f"{raw['repository']}, revision {raw['revision']}"))
    elif chosen.study.scale == "mini":
        found.append((f"text model `{row.text}`", "pretrained by this project on texts that it makes itself"))
    else:
        found.append((f"text model `{row.text}`", "unknown: its weights are not here with their source any more"))
    if row.encoder is not None:
        raw = read_json(row.encoder_weights / "encoder.json", {"source": dict})["source"]
        found.append((f"image encoder `{row.encoder}`", ", revision ".join(filter(None, (raw["source"], raw.get("revision"))))))
    return found


def _swapped(record: RowRecord) -> RowRecord | None:
    """What the same weights score with another video's frames, if that was measured."""
    path = metrics_file(f"{record.row}_{_SWAPPED}")
    if record.encoder is None or not path.exists():
        return None
    swapped = read_record(path)
    return swapped if swapped.made_from.get("checkpoints") == record.made_from["checkpoints"] else None

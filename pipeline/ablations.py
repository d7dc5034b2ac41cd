"""What to vary about ClipSum, one thing at a time: Table 2 of the paper, and what it leaves out.

Settings that are ClipSum's own in the study are not listed: they are the row `clipsum` itself. Neither is the fine-tuned
encoder, a row of the table.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.params import Study
from pipeline.rows import training_code
from pipeline.shards import fingerprint

FUSION_LAYERS = (3, 4, 5, 6)


@dataclass(frozen=True)
class Ablation:
    """`overrides` are keys of the study's block with the value each gets."""

    name: str
    group: str
    setting: str
    overrides: dict[str, Any]


def ablations(study: Study) -> list[Ablation]:
    """Every ablation of a study, in the order of the report."""
    base = study.frames.count
    wanted = [
        *(
            Ablation(f"fusion-layer-{layer}", "fusion layer", str(layer), {"model.fusion_layer": layer})
            for layer in FUSION_LAYERS
            if layer != study.model.fusion_layer
        ),
        Ablation("frames-half", "frames", "half", {"frames.count": max(1, base // 2)}),
        Ablation("frames-double", "frames", "double", {"frames.count": 2 * base}),
        Ablation("no-temporal", "without", "temporal module", {"model.temporal": False}),
        Ablation("prefix", "without", "fusion (frames as a prefix)", {"model.fusion": "prefix"}),
        Ablation("mean-frames", "without", "temporal module and attention (mean-pooled frames)", {"model.pooling": "mean"}),
        Ablation("no-l2", "without", "L2 normalisation", {"model.l2_normalise": False}),
    ]
    return [ablation for ablation in wanted if any(_value(study, key) != value for key, value in ablation.overrides.items())]


def experiment_name(ablation: Ablation, *, study_name: str, study: Study, encoder: str, inputs: Mapping[str, Any]) -> str:
    """A name for the DVC experiment that changes with the parameters, with the code of training and evaluation, and with what
    `clipsum` was made of (`inputs` of its metrics file): weights, corpus, frames.
    """
    key = fingerprint(study_name, study.model_dump(), encoder, ablation.overrides, training_code("clipsum"), dict(inputs))
    return f"ablation-{study_name.replace('_', '-')}-{ablation.name}-{key[:8]}"


def _value(study: Study, key: str) -> Any:
    block, name = key.split(".")
    return getattr(getattr(study, block), name)

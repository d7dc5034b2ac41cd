"""What the paper reports, for the columns that stand beside ours. Constants, never inputs to a computation.

Source: M. Nazir, M. Aqeel, R. Zhang, F. Setti, "Multimodal Abstractive Summarization of Instructional Videos with
Vision-Language Models", arXiv 2605.11959v1, 12 May 2026. YouCook2, single runs, no intervals; ROUGE by rouge-score 0.1.2,
BLEU-4 and METEOR by nlg-eval. This project counts BLEU-4 as nlg-eval does (`bleu4_nlgeval`) and as sacrebleu does (`bleu4`); the
paper's figure stands beside both.
"""

from collections.abc import Mapping

ADDRESS = "https://arxiv.org/abs/2605.11959v1"
METRICS = ("rouge1", "rouge2", "rougeL", "bleu4", "meteor", "bleu4_nlgeval")

# The systems of the paper's tables, in its order; a report shows every one of them, run or not.
SYSTEMS: Mapping[str, str] = {
    "bart": "BART (text only)",
    "t5": "T5 (text only)",
    "ha": "HA-Transformer",
    "mffg": "MFFG-Transformer",
    "vg_bart": "VG-BART",
    "random_visual": "BART + random visual",
    "resnet152": "BART + ResNet-152",
    "clipsum": "ClipSum",
    "clipsum_finetuned": "ClipSum, encoder fine-tuned",
}

# Table 1, R-L, BLEU-4, METEOR.
TABLE_1: Mapping[str, tuple[float, float, float, float, float]] = {
    "bart": (28.3, 3.8, 22.1, 8.2, 18.5),
    "t5": (27.8, 3.5, 21.6, 7.9, 17.9),
    "ha": (29.4, 4.3, 23.1, 8.9, 19.2),
    "mffg": (30.1, 4.8, 23.6, 9.2, 19.8),
    "vg_bart": (30.8, 5.3, 24.2, 9.7, 20.6),
    "random_visual": (29.1, 4.2, 22.8, 8.7, 19.1),
    "resnet152": (30.5, 5.1, 23.9, 9.5, 20.3),
    "clipsum": (33.0, 6.4, 25.3, 10.8, 22.1),
}

# Table 2, R-L of the ablations. Each has one line that is the clipsum row of Table 1.
TABLE_2: Mapping[str, Mapping[str, tuple[float, float, float]]] = {
    "fusion layer": {"3": (31.8, 5.7, 24.2), "4": (32.4, 6.0, 24.7), "5": (33.0, 6.4, 25.3), "6": (32.1, 5.9, 24.5)},
    "CLIP": {"fine-tuned": (32.3, 6.0, 24.8), "frozen": (33.0, 6.4, 25.3)},
    "frames": {"25": (32.1, 5.8, 24.4), "50": (33.0, 6.4, 25.3), "100": (33.1, 6.5, 25.4)},
}

PAPERS_ROW, PAPERS_MODEL, PAPERS_ENCODER = "clipsum", "clipsum", "clip_vit_b32"  # of its ClipSum
# The paper's figure belongs to the paper's encoder: a row run with another one has no counterpart there.
_ENCODERS = {
    "ha": "resnet152",
    "mffg": "resnet152",
    "vg_bart": "resnet152",
    "random_visual": "random_vit_b32",
    "resnet152": "resnet152",
    "clipsum": PAPERS_ENCODER,
    "clipsum_finetuned": PAPERS_ENCODER,
}


def paper_figures(row: str, *, encoder: str | None) -> dict[str, float]:
    """The paper's figures for `row` run with `encoder`, keyed as in `METRICS`; empty where the paper has no such row.

    Without an `encoder` (a row that has not been run) they are those of the paper's own.
    """
    if encoder is not None and row in _ENCODERS and encoder != _ENCODERS[row]:
        return {}
    figures = TABLE_2["CLIP"]["fine-tuned"] if row == "clipsum_finetuned" else TABLE_1.get(row, ())
    found = dict(zip(METRICS, figures, strict=False))
    return found | ({"bleu4_nlgeval": found["bleu4"]} if "bleu4" in found else {})

"""BERTScore: tokens of a summary and of its reference are matched by the cosine of their vectors. F1, scale 0 to 100.

Source: T. Zhang et al., BERTScore: Evaluating Text Generation with BERT, 2020 (arXiv 1904.09675), in the form of the authors'
package bert-score 0.3.13: RoBERTa-large, layer 17, no idf, not rescaled. That package takes the newest commit of the hub and
does not run on this transformers; these lines take the pinned one.

Shapes: B texts, T tokens, D width.
"""

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.base.hub import fetch_files, revision_of
from pipeline.base.pins import compare_digests

REPOSITORY, LAYER = "FacebookAI/roberta-large", 17
_FILES = [("config.json",), ("tokenizer.json",), ("model.safetensors",)]
_OPTIONAL = ("tokenizer_config.json", "vocab.json", "merges.txt")
_PAIRS = 32  # in memory at a time
_LONGEST = 512  # tokens; what is longer is cut


class BertScorer:
    """A model of `transformers` in `folder`, read up to `layer`. `name` is what its signature calls it."""

    def __init__(self, folder: Path, *, layer: int, name: str, device: torch.device) -> None:
        from transformers import AutoModel, AutoTokenizer

        self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self._model: Any = AutoModel.from_pretrained(folder, local_files_only=True)
        self._model.encoder.layer = self._model.encoder.layer[:layer]
        self._model.eval().to(device)
        self._device = device
        # The convention of bert-score, whose own version stands where ours says that it is not the package.
        self.signature = (
            f"{name}_L{layer}_no-idf_version=own-code-1(hug_trans={version('transformers')})_fast-tokenizer | F1 | "
            "not rescaled | mean over videos | times 100"
        )

    @torch.inference_mode()
    def score(self, predictions: Sequence[str], references: Sequence[str]) -> list[float]:
        """One figure for each pair; 0 if either text is empty."""
        pairs = list(zip(predictions, references, strict=True))
        found: dict[tuple[str, str], float] = {}
        todo = sorted(dict.fromkeys(pairs), key=lambda pair: len(pair[0]) + len(pair[1]))
        for start in range(0, len(todo), _PAIRS):
            part = todo[start : start + _PAIRS]
            vectors = self._vectors(sorted({text for pair in part for text in pair}))
            found |= {(text, wanted): 100 * _f1(vectors[text], vectors[wanted]) for text, wanted in part}
        return [found[pair] for pair in pairs]

    def _vectors(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """Unit vectors `[T, D]` of every token, its marks of beginning and end included, by text."""
        # A blank before the first word, so that it has the token that it has in the middle of a text.
        given = [f" {text.strip()}" if text.strip() else "" for text in texts]
        tokens = self._tokenizer(given, padding=True, truncation=True, max_length=_LONGEST, return_tensors="pt").to(self._device)
        states_BTD = nn.functional.normalize(self._model(**tokens).last_hidden_state.float(), dim=-1).cpu()
        lengths = tokens["attention_mask"].sum(dim=1).tolist()
        return {text: states_TD[:length] for text, states_TD, length in zip(texts, states_BTD, lengths, strict=True)}


def _f1(found_TD: Tensor, wanted_TD: Tensor) -> float:
    """Greedy matching. The marks of beginning and end may be matched, and do not count."""
    if len(found_TD) <= 2 or len(wanted_TD) <= 2:
        return 0.0
    alike = found_TD @ wanted_TD.T
    precision, recall = float(alike.max(dim=1).values[1:-1].mean()), float(alike.max(dim=0).values[1:-1].mean())
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def open_bertscore(device: torch.device) -> BertScorer:
    """The published model at its pinned commit. Raises `RuntimeError` that says where its files may be put by hand."""
    paths = fetch_files(REPOSITORY, _FILES, optional=_OPTIONAL)
    revision = revision_of(paths["config.json"])
    digests, _ = compare_digests(REPOSITORY, paths, revision=revision)
    told = revision if revision != "local" else f"sha256:{digests['model.safetensors']}"
    return BertScorer(paths["config.json"].parent, layer=LAYER, name=f"{REPOSITORY}@{told}", device=device)

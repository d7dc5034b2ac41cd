"""Metrics: hand-computed values, agreement with the reference packages, intervals, refusals."""

import random
import time
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest
from sacrebleu.metrics import BLEU

from pipeline.base.files import write_json_lines
from pipeline.base.params import MetricName
from pipeline.scoring.bleu import bleu_statistics, corpus_bleu
from pipeline.scoring.metrics import COMPARED, METRICS, PerVideo, card, signatures
from pipeline.scoring.predictions import Summaries, align, read_predictions
from pipeline.scoring.rouge import split_sentences
from pipeline.scoring.score import score_row
from pipeline.scoring.statistics import resample_counts
from pipeline.scoring.validation import BY_REFERENCE, validation_score

BLEU_ORDERS = (1, 2, 3, 4)
WORDS = (
    "add",
    "the",
    "chopped",
    "onion",
    "tomato",
    "hot",
    "pan",
    "stir",
    "fry",
    "until",
    "golden",
    "serve",
    "rice",
    "garlic",
    "oil",
)


def one(prediction: str, reference: str) -> pd.DataFrame:
    return pd.DataFrame([{"video_id": "a", "seed": 0, "prediction": prediction, "reference": reference}])


def table(videos: int, seeds: int, *, noise: float = 0.4) -> pd.DataFrame:
    generator = random.Random(3)
    rows = []
    for video in range(videos):
        reference = " ".join(generator.choices(WORDS, k=14)) + ". " + " ".join(generator.choices(WORDS, k=12)) + "."
        for seed in range(seeds):
            words = [generator.choice(WORDS) if generator.random() < noise else word for word in reference.split()]
            rows.append({"video_id": f"v{video:03d}", "seed": seed, "prediction": " ".join(words), "reference": reference})
    return pd.DataFrame(rows)


def summaries(frame: pd.DataFrame) -> Summaries:
    return align(frame.to_dict("records"))


def scores_of(frame: pd.DataFrame, *, resamples: int, seed: int) -> dict[str, dict[str, Any]]:
    scores, _ = score_row(summaries(frame), resamples=resamples, seed=seed)
    return {key: score.model_dump() for key, score in scores.items()}


def means(prediction: str, reference: str) -> dict[str, float]:
    return {name: score["mean"] for name, score in scores_of(one(prediction, reference), resamples=10, seed=0).items()}


def test_rouge_by_hand() -> None:
    # 4 of 5 words shared; bigrams shared: "fry the", "the onion"; longest common subsequence "fry the onion gently"
    found = means("fry the onion very gently", "Fry the onion gently, stirring.")
    assert found["rouge1"] == pytest.approx(100 * 4 / 5)
    assert found["rouge2"] == pytest.approx(100 * 2 / 4)
    assert found["rougeL"] == pytest.approx(100 * 4 / 5)


def test_rouge_precision_and_recall_make_f1() -> None:
    # precision 2/2, recall 2/4
    assert means("mix flour", "mix flour and water")["rouge1"] == pytest.approx(100 * 2 * 1.0 * 0.5 / 1.5)


def test_lsum_compares_sentence_by_sentence() -> None:
    found = means("Boil the rice. Fry the egg.", "Fry the egg. Boil the rice.")
    assert found["rougeL"] == pytest.approx(50.0)
    assert found["rougeLsum"] == pytest.approx(100.0)


def test_stemming_matches_inflected_words() -> None:
    found = means("frying onions", "fried onion")
    assert found["rouge1"] == 0.0
    assert found["rouge1_stem"] == pytest.approx(100.0)
    assert found["meteor"] > 90


def test_white_space_words_keep_case_and_punctuation() -> None:
    # "Fry" and "onion," of the reference have no counterpart: 1 of 3 words shared
    found = means("fry the onion", "Fry the onion, gently")
    assert found["rouge1_ws"] == pytest.approx(100 * 2 * (1 / 3) * (1 / 4) / (1 / 3 + 1 / 4))
    assert found["rouge1"] == pytest.approx(100 * 2 * 1.0 * 0.75 / 1.75)
    assert found["rouge2_ws"] == 0.0
    assert means("fried onions now", "fries onion now")["rouge1_ws_stem"] == pytest.approx(100.0)


def test_deviation_is_over_the_seeds_means() -> None:
    scores = scores_of(table(30, 3), resamples=10, seed=0)
    for score in scores.values():
        assert score["std"] == pytest.approx(np.std([each["mean"] for each in score["per_seed"].values()], ddof=1), abs=1e-5)
    assert scores_of(table(3, 1), resamples=10, seed=0)["rouge1"]["std"] is None


def test_an_interval_ends_where_the_scale_does() -> None:
    rows = [("a", 0, "cut the bread", "cut the bread"), ("a", 1, "peel", "cut the bread"), ("b", 0, "fry it now", "fry it now"),
            ("b", 1, "wash", "fry it now")]  # fmt: skip
    frame = pd.DataFrame(rows, columns=["video_id", "seed", "prediction", "reference"])
    score = scores_of(frame, resamples=200, seed=0)["rouge1"]
    assert (score["mean"], score["ci95_low"], score["ci95_high"]) == (50, 0, 100)


def test_newline_rule() -> None:
    assert split_sentences(" Cut 0.5 kg. Fry!  Serve?\nDone ") == "Cut 0.5 kg.\nFry!\nServe?\nDone"
    assert split_sentences("") == ""


def test_identical_text_scores_100() -> None:
    text = "Fry the onions, then add the garlic and serve."
    found = means(text, text)
    # METEOR's chunk penalty is 0.5 / words**3 for a perfect match; of a single video CIDEr knows nothing that is rare.
    apart = {"cider": 0.0, "repetition": 0.0} | dict.fromkeys(("meteor", "meteor_wordnet"), 100 * (1 - 0.5 / 9**3))
    for name in (metric.key for metric in METRICS if metric.key != "entity_f1"):
        assert found[name] == pytest.approx(apart.get(name, 100.0), abs=1e-5), name


def test_empty_and_disjoint_predictions_score_zero() -> None:
    for prediction in ("", "...", "xylophone"):
        found = means(prediction, "fry the onion until golden")
        assert found.pop("length_ratio") == pytest.approx(20.0 if prediction == "xylophone" else 0.0)
        assert set(found.values()) == {0.0}


def test_bleu_equals_sacrebleu_for_every_seed_and_order() -> None:
    frame = table(40, 2)
    scores = scores_of(frame, resamples=20, seed=0)
    for order in BLEU_ORDERS:
        expected = []
        for seed, part in frame.groupby("seed"):
            scorer = BLEU(tokenize="13a", max_ngram_order=order)
            expected.append(scorer.corpus_score(list(part["prediction"]), [list(part["reference"])]).score)
            assert scores[f"bleu{order}"]["per_seed"][str(seed)]["mean"] == pytest.approx(expected[-1], abs=1e-5)
        assert scores[f"bleu{order}"]["mean"] == pytest.approx(np.mean(expected), abs=1e-5)


def test_bleu_of_any_resample_equals_sacrebleu_on_those_videos() -> None:
    frame = table(12, 1, noise=0.8)
    predictions, references = list(frame["prediction"]), list(frame["reference"])
    for order in BLEU_ORDERS:
        statistics = bleu_statistics(predictions, references, order=order)
        counts = np.vstack([np.ones(12, dtype=np.int64), resample_counts(12, resamples=6, seed=1)])
        for drawn, found in zip(counts, corpus_bleu(counts @ statistics), strict=True):
            chosen = np.repeat(np.arange(12), drawn)
            scorer = BLEU(tokenize="13a", max_ngram_order=order)
            expected = scorer.corpus_score([predictions[i] for i in chosen], [[references[i] for i in chosen]]).score
            assert found == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("prediction", ["fry", "fry rice", "rice the fry golden onion", "", "fry the onion until golden now"])
def test_bleu_smoothing_and_short_texts_equal_sacrebleu(prediction: str) -> None:
    reference = "fry the onion until golden"
    for order in BLEU_ORDERS:
        expected = BLEU(tokenize="13a", max_ngram_order=order).corpus_score([prediction], [[reference]]).score
        assert corpus_bleu(bleu_statistics([prediction], [reference], order=order).sum(axis=0)) == pytest.approx(
            expected, abs=1e-9
        )


def test_intervals_are_ordered_and_seed_means_average_to_the_mean() -> None:
    scores = scores_of(table(30, 3), resamples=300, seed=0)
    assert scores.pop("length_ratio")["mean"] == 100  # as many words, always
    for score in scores.values():
        assert score["ci95_low"] < score["mean"] < score["ci95_high"]
        assert set(score["per_seed"]) == {"0", "1", "2"}
        assert np.mean([each["mean"] for each in score["per_seed"].values()]) == pytest.approx(score["mean"], abs=1e-5)
        for each in score["per_seed"].values():
            assert each["ci95_low"] <= each["mean"] <= each["ci95_high"]


def test_order_of_lines_does_not_matter_and_runs_repeat() -> None:
    frame = table(15, 2)
    first = scores_of(frame, resamples=100, seed=4)
    assert scores_of(frame.sample(frac=1.0, random_state=1), resamples=100, seed=4) == first
    assert scores_of(frame, resamples=100, seed=5) != first


def test_one_video_of_one_seed_has_an_interval_of_no_width() -> None:
    for score in scores_of(table(1, 1), resamples=50, seed=0).values():
        assert score["ci95_low"] == score["mean"] == score["ci95_high"]


def test_training_selects_by_metrics_of_the_registry() -> None:
    assert {*BY_REFERENCE, "entity_f1"} == {metric.key for metric in COMPARED} == set(get_args(MetricName))
    frame = table(4, 1)
    texts, references = list(frame["prediction"]), list(frame["reference"])
    for metric in COMPARED:
        if isinstance(metric.scorer, PerVideo):
            assert BY_REFERENCE[metric.key](texts, references) == metric.scorer.score(texts, references)


def test_validation_rouge2_is_the_reported_one() -> None:
    frame = table(25, 1)
    score = scores_of(frame, resamples=10, seed=0)["rouge2"]["mean"]
    found = validation_score("rouge2", list(frame["prediction"]), list(frame["reference"]), videos=[], entities=None)
    assert found == pytest.approx(score, abs=1e-5)
    _, per_video = score_row(summaries(frame), resamples=10, seed=0)
    assert np.mean(per_video.scores["rouge2"]) == pytest.approx(score, abs=1e-5)
    with pytest.raises(ValueError, match="'entity_f1': nobody knows the entities of this dataset"):
        validation_score("entity_f1", ["a"], ["a"], videos=["v"], entities=None)


def test_misaligned_predictions_are_refused_by_row_and_video() -> None:
    frame = table(4, 2)
    with pytest.raises(ValueError, match="'v002' has no row for seed 1"):
        summaries(frame[~((frame["video_id"] == "v002") & (frame["seed"] == 1))])
    with pytest.raises(ValueError, match=r"row 9, video 'v001', seed 0: .* already"):
        summaries(pd.concat([frame, frame[frame["video_id"] == "v001"].head(1)], ignore_index=True))
    changed = frame.copy()
    changed.loc[3, "reference"] = "another"
    with pytest.raises(ValueError, match="row 4, video 'v001', seed 1: the reference differs"):
        summaries(changed)
    with pytest.raises(ValueError, match="row 1, video 'a', seed 0: prediction and reference must be text"):
        summaries(one(None, "x"))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no rows"):
        summaries(frame.head(0))


def test_a_file_of_predictions_is_named_in_its_errors(tmp_path: Path) -> None:
    path = tmp_path / "clipsum.jsonl"
    write_json_lines(path, table(2, 1).to_dict("records"))
    assert read_predictions(path).videos == ("v000", "v001")
    path.write_text(path.read_text() + '{"video_id": "v002", "seed": 0}\n')
    with pytest.raises(ValueError, match=r"clipsum\.jsonl, line 3: prediction, reference is missing"):
        read_predictions(path)


def test_scores_of_videos_are_kept_for_the_metrics_that_rows_are_compared_in() -> None:
    frame = table(6, 2)
    scores, per_video = score_row(summaries(frame), resamples=20, seed=0)
    assert list(per_video.scores) == ["content_f1", "rouge1", "rouge2", "rougeL"]
    assert (len(per_video.videos), per_video.seeds) == (6, [0, 1])
    for key, values in per_video.scores.items():
        assert np.shape(values) == (2, 6)
        assert np.mean(values) == pytest.approx(scores[key].mean, abs=1e-5)


def test_every_metric_has_a_title_a_card_and_a_signature_with_a_version() -> None:
    found = signatures()
    assert len({metric.key for metric in METRICS}) == len({metric.title for metric in METRICS}) == len(METRICS) == len(found)
    assert all(metric.card and metric.short for metric in METRICS)
    assert found["rouge1"].startswith("rouge-score 0.1.")
    assert "no stemmer" in found["rouge2"]
    assert "max_ngram_order:4" in found["bleu4"]
    assert "smooth:exp" in found["bleu4"]
    assert "meteor_nltk_nosyn" in found["meteor"]


def test_the_metric_card_in_the_docs_is_the_registrys() -> None:
    assert card() in (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()


def test_signature_of_bleu_is_the_scorers_own() -> None:
    scorer = BLEU(tokenize="13a", smooth_method="exp", max_ngram_order=4)
    scorer.corpus_score(["a b"], [["a b"]])
    own = str(scorer.get_signature()).rsplit("|version:", 1)[0]
    assert own in signatures()["bleu4"]


def test_120_videos_of_three_seeds_are_scored_in_seconds() -> None:
    frame = table(120, 3)
    scores_of(frame.head(3), resamples=10, seed=0)  # imports
    started = time.process_time()
    scores_of(frame, resamples=2000, seed=0)
    assert time.process_time() - started < 6  # about 1 s on one idle core

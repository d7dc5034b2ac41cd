"""BERTScore on a mini stand-in of RoBERTa: greedy matching by hand, whatever stands beside a text, empty texts, pinned files."""

from pathlib import Path

import pytest
import torch

from pipeline.base.pins import pin_of
from pipeline.evaluation import bertscore
from pipeline.evaluation.bertscore import BertScorer, open_bertscore
from pipeline.foundation.texts import train_tokenizer

TEXTS = [
    "Fry the onion in a hot pan.",
    "Boil rice.",
    "Chop the tomato, then fry it with the garlic until it is golden and serve.",
]
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four random layers and a tokenizer, in the layout of the hub."""
    from transformers import RobertaConfig, RobertaModel

    place = tmp_path_factory.mktemp("roberta")
    tokenizer = train_tokenizer(TEXTS * 3, 320)
    tokenizer.save_pretrained(place)
    torch.manual_seed(0)
    config = RobertaConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=4, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=600, pad_token_id=1, bos_token_id=0, eos_token_id=2,
    )  # fmt: skip
    RobertaModel(config).save_pretrained(place)
    return place


@pytest.fixture(scope="module")
def scorer(folder: Path) -> BertScorer:
    return BertScorer(folder, layer=3, name="mini", device=CPU)


def by_hand(folder: Path, text: str, wanted: str, *, layer: int) -> float:
    """Every token of either text, marks left out, finds the most similar token of the other, marks included."""
    from transformers import AutoModel, AutoTokenizer

    model, tokenizer = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    with torch.inference_mode():
        a, b = (
            model(**tokenizer(f" {each}", return_tensors="pt"), output_hidden_states=True).hidden_states[layer][0]
            for each in (text, wanted)
        )

    def best(mine: torch.Tensor, others: torch.Tensor) -> float:
        return max(float(torch.cosine_similarity(mine, other, dim=0)) for other in others)

    precision = sum(best(each, b) for each in a[1:-1]) / (len(a) - 2)
    recall = sum(best(each, a) for each in b[1:-1]) / (len(b) - 2)
    return 100 * 2 * precision * recall / (precision + recall)


def test_matching_by_hand_at_the_layer_that_is_named(folder: Path, scorer: BertScorer) -> None:
    (found,) = scorer.score([TEXTS[0]], [TEXTS[2]])
    assert found == pytest.approx(by_hand(folder, TEXTS[0], TEXTS[2], layer=3), abs=1e-3)
    assert abs(found - by_hand(folder, TEXTS[0], TEXTS[2], layer=4)) > 0.01


def test_a_pair_scores_the_same_whatever_stands_beside_it(scorer: BertScorer) -> None:
    together = scorer.score(TEXTS, [TEXTS[2], TEXTS[0], TEXTS[1]])
    alone = [scorer.score([text], [wanted])[0] for text, wanted in zip(TEXTS, [TEXTS[2], TEXTS[0], TEXTS[1]], strict=True)]
    assert together == pytest.approx(alone, abs=1e-3)


def test_the_same_text_scores_100_and_an_empty_one_0(scorer: BertScorer) -> None:
    assert scorer.score(TEXTS, TEXTS) == pytest.approx([100.0] * 3, abs=1e-3)
    assert scorer.score(["", "  ", TEXTS[0]], [TEXTS[0], TEXTS[0], ""]) == [0.0, 0.0, 0.0]


def test_the_published_model_is_pinned_and_named_in_the_signature(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    pin = pin_of(bertscore.REPOSITORY)
    assert pin is not None
    place = Path("data/inputs/weights") / bertscore.REPOSITORY
    place.parent.mkdir(parents=True)
    place.symlink_to(folder)
    monkeypatch.setattr(bertscore, "LAYER", 2)
    scorer = open_bertscore(CPU)
    assert scorer.signature.startswith("FacebookAI/roberta-large@sha256:")
    assert "_L2_no-idf_version=own-code-1(hug_trans=" in scorer.signature


def test_without_its_files_it_says_where_they_go(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "data" / "inputs" / "weights" / bertscore.REPOSITORY
    place.mkdir(parents=True)
    (place / "config.json").write_text("{}")
    with pytest.raises(RuntimeError, match=r"roberta-large/tokenizer\.json \(not in the folder\).*model\.safetensors"):
        open_bertscore(CPU)

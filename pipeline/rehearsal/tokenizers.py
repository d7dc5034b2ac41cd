"""Tokenizers of the published kinds and sizes: byte pairs as BART has them, pieces as T5 has them."""

from pathlib import Path
from typing import Any

from pipeline.base.files import write_json
from pipeline.kitchen.pictures import texts

RECIPES = 200  # texts to train on: they only have to hold the words of the rehearsal
LEARNED = 600  # entries that training may make
BART_SPECIAL, BART_MASK = ("<s>", "<pad>", "</s>", "<unk>"), "<mask>"
T5_SPECIAL, T5_SENTINELS, T5_PADDING = ("<pad>", "</s>", "<unk>"), 100, 28
RARE = -20.0  # score of a piece that no text should be cut into


def write_bart_tokenizer(folder: Path, *, vocabulary: int) -> None:
    """`vocab.json`, `merges.txt` and `tokenizer.json` with `vocabulary` entries, special ones where BART has them."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    learner.train_from_iterator(_texts(), trainers.BpeTrainer(vocab_size=LEARNED, initial_alphabet=alphabet, show_progress=False))
    learner.model.save(str(folder))  # for its merges
    merged = (line.partition(" ") for line in (folder / "merges.txt").read_text(encoding="utf-8").splitlines()[1:])
    merges = [(first, second) for first, _, second in merged]
    learned = sorted(learner.get_vocab(), key=learner.get_vocab().__getitem__)
    entries = [*_filled([*BART_SPECIAL, *learned], vocabulary - 1, "Ġ"), BART_MASK]
    vocab = {entry: number for number, entry in enumerate(entries)}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    special = [AddedToken(name, special=True) for name in BART_SPECIAL]
    tokenizer.add_special_tokens([*special, AddedToken(BART_MASK, special=True, lstrip=True)])
    tokenizer.model.save(str(folder))
    tokenizer.save(str(folder / "tokenizer.json"))


def write_t5_tokenizer(folder: Path, *, embeddings: int) -> None:
    """`tokenizer.json`, `tokenizer_config.json` and `spiece.model`; of `embeddings` rows the last 28 have no entry, as in T5."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    learner = Tokenizer(models.Unigram())
    learner.pre_tokenizer = pre_tokenizers.Metaspace()
    learner.train_from_iterator(
        _texts(), trainers.UnigramTrainer(vocab_size=LEARNED, special_tokens=[], unk_token="<unk>", show_progress=False)
    )
    scores = {piece: score for piece, score in _pieces(learner) if piece not in T5_SPECIAL}
    count = embeddings - T5_PADDING - T5_SENTINELS
    names = _filled([*T5_SPECIAL, *scores], count, "▁")
    pieces = [(name, 0.0 if name in T5_SPECIAL else scores.get(name, RARE)) for name in names]
    sentinels = [f"<extra_id_{number}>" for number in reversed(range(T5_SENTINELS))]
    tokenizer = Tokenizer(models.Unigram([*pieces, *((name, 0.0) for name in sentinels)], unk_id=2))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    tokenizer.add_special_tokens([AddedToken(name, special=True) for name in (*T5_SPECIAL, *sentinels)])
    tokenizer.save(str(folder / "tokenizer.json"))
    marks = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>", "extra_ids": T5_SENTINELS}
    about = {"tokenizer_class": "T5Tokenizer", "model_max_length": 512, "additional_special_tokens": sentinels[::-1]}
    write_json(folder / "tokenizer_config.json", about | marks)
    _write_sentencepiece(folder / "spiece.model", pieces)


def _write_sentencepiece(path: Path, pieces: list[tuple[str, float]]) -> None:
    from transformers.utils import sentencepiece_model_pb2_new as sentencepiece

    proto: Any = sentencepiece.ModelProto()
    kind = proto.SentencePiece.Type
    kinds = {"<pad>": kind.CONTROL, "</s>": kind.CONTROL, "<unk>": kind.UNKNOWN}
    for piece, score in pieces:
        proto.pieces.add(piece=piece, score=score, type=kinds.get(piece, kind.NORMAL))
    proto.trainer_spec.model_type = proto.trainer_spec.UNIGRAM
    proto.trainer_spec.vocab_size = len(pieces)
    proto.trainer_spec.pad_id, proto.trainer_spec.eos_id, proto.trainer_spec.unk_id, proto.trainer_spec.bos_id = 0, 1, 2, -1
    path.write_bytes(proto.SerializeToString())


def _texts() -> list[str]:
    return texts(RECIPES, seed=0)


def _pieces(tokenizer: Any) -> list[tuple[str, float]]:
    import json

    return [(piece, score) for piece, score in json.loads(tokenizer.to_str())["model"]["vocab"]]


def _filled(entries: list[str], count: int, space: str) -> list[str]:
    """`entries`, and words that occur nowhere, `count` in all."""
    if len(entries) > count:
        raise ValueError(f"a vocabulary of {count} entries is too small for {len(entries)} that were learned")
    return [*entries, *(f"{space}filler{number:05d}" for number in range(count - len(entries)))]

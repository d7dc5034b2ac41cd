"""Rows as `dvc.yaml` declares them: read by name, checked, and told by what they are made of."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.base.params import load_params
from pipeline.base.row_names import declared_names
from pipeline.training.table_row import check_lengths, declared_row, read_row, seen_digests, write_row
from tests import toys

PIPELINE = """
stages:
  train_text:
    foreach:
      bart: {title: Text, model: bart, text: bart}
      short: {title: Text, model: bart}
  train:
    foreach:
      frozen:
        {title: A, model: clipsum, text: bart, reads: source, encoder: "${encoder}", sees: "data/features/${encoder}",
         trains: model}
      tuned: {title: B, model: clipsum, text: bart, reads: source, encoder: "${encoder}", sees: data/frames, trains: finetune}
      thawed: {title: C, model: clipsum, text: bart, reads: source, encoder: resnet152, sees: data/frames, trains: all}
      deaf: {title: E, model: clipsum, text: bart, reads: nothing, encoder: resnet152, sees: data/frames, trains: model}
      named: {title: F, model: clipsum, text: bart, reads: named, encoder: oracle, sees: data/features/oracle, trains: model}
      nameless: {title: D, model: clipsum, text: bart, reads: source, encoder: resnet, sees: data/features/resnet, trains: model}
"""


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    path = tmp_path / "dvc.yaml"
    path.write_text(PIPELINE)
    return path


def test_the_dial_stands_for_the_encoder_under_study(pipeline: Path) -> None:
    row = declared_row("frozen", encoder="clip_vit_l14", pipeline=pipeline)
    assert (row.encoder, row.sees, row.tuning) == ("clip_vit_l14", "data/features/clip_vit_l14", "frozen")
    assert row.encoder_weights == Path("weights/clip_vit_l14")
    assert read_row(write_row(row)) == row


def test_tuning_follows_from_what_is_trained(pipeline: Path) -> None:
    text, tuned = (declared_row(name, encoder="clip_vit_b32", pipeline=pipeline) for name in ("bart", "tuned"))
    assert (text.tuning, text.encoder, text.sees) == ("none", None, None)
    assert (tuned.tuning, tuned.sees) == ("finetuned", "data/frames")


def test_a_row_may_read_a_text_that_names_everything(pipeline: Path) -> None:
    study = load_params(Path(__file__).parents[2]).current
    rows = [declared_row(name, encoder="clip_vit_b32", pipeline=pipeline) for name in ("bart", "frozen", "named")]
    assert [row.source(study) for row in rows] == [study.text.source, study.text.source, "named"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("short", "row short: has keys title, model; a row of train_text has model, text, title"),
        ("thawed", "row thawed: trains 'all' is neither model nor finetune"),
        ("deaf", "row deaf: reads 'nothing' is neither source nor named"),
        ("nameless", "row nameless: encoder: 'resnet' is none of clip_vit_b32"),
        ("unknown", "row 'unknown' is none of bart, short, frozen"),
    ],
)
def test_a_slip_in_a_row_names_the_row(pipeline: Path, row: str, message: str) -> None:
    with pytest.raises(ValueError, match=r"dvc\.yaml") as error:
        declared_row(row, encoder="clip_vit_b32", pipeline=pipeline)
    assert message in str(error.value)


def test_every_row_of_this_project_can_be_read() -> None:
    rows = {name: declared_row(name, encoder="clip_vit_b32") for name in declared_names()}
    assert len({row.code for row in rows.values() if row.model != "clipsum"}) == len({row.model for row in rows.values()}) - 1
    assert rows["clipsum"].code == rows["resnet152"].code == rows["oracle"].code, "the same system"


def test_one_more_encoder_has_a_row_that_is_clipsum_but_for_the_encoder() -> None:
    more = ("siglip2_b16", "timm:vit_base_patch16_224")
    names = declared_names(more=more)
    assert names == [*declared_names(), *more]
    row, other = (declared_row(name, encoder="clip_vit_b32", more=more) for name in more)
    clipsum = declared_row("clipsum", encoder="siglip2_b16")
    assert (row.name, row.title) == ("siglip2_b16", "ClipSum with SigLIP 2 B/16")
    assert (row.encoder, row.sees, row.tuning, row.reads) == ("siglip2_b16", "data/features/siglip2_b16", "frozen", "source")
    assert replace(row, name=clipsum.name, title=clipsum.title) == clipsum and row.code == clipsum.code
    assert other.title == "ClipSum with timm:vit_base_patch16_224"
    with pytest.raises(ValueError, match=r"row 'dinov3_b16' is none of bart.*, siglip2_b16"):
        declared_row("dinov3_b16", encoder="clip_vit_b32", more=more)


def test_what_is_seen_has_a_digest_of_its_own(tmp_path: Path) -> None:
    assert seen_digests(None) == {}
    (tmp_path / "a.parquet").write_text("one")
    before = seen_digests(str(tmp_path))
    (tmp_path / "a.parquet").write_text("two")
    assert seen_digests(str(tmp_path)) != before


@pytest.mark.parametrize("key", ["text.max_source_tokens", "text.max_target_tokens", "generate.max_tokens"])
def test_more_tokens_than_positions_are_refused_by_name(tmp_path: Path, key: str) -> None:
    study = load_params().current
    short = {"text": study.text.model_copy(update={"max_source_tokens": 64, "max_target_tokens": 48})}
    study = study.model_copy(update=short)
    folder = toys.text_model(tmp_path / "bart")  # 64 positions
    check_lengths(folder, study)
    block, name = key.split(".")
    longer = study.model_copy(update={block: getattr(study, block).model_copy(update={name: 65})})
    with pytest.raises(ValueError, match=rf"{key}: 65 tokens are more than the 64 positions of .*bart"):
        check_lengths(folder, longer)
    check_lengths(toys.t5(tmp_path / "t5"), longer)

"""`params.yaml` and the studies: a slip is an error that names file and key before any stage works."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from pipeline.base.encoder_names import ENCODERS, TITLES
from pipeline.base.params import RowSettings, load_params, load_study, study_names
from pipeline.base.row_names import check_row_settings, declared_names

ROOT = Path(__file__).parents[2]


def edited(folder: Path, change: Callable[[Any], None], file: str) -> Path:
    """A project folder whose `file` is changed."""
    shutil.copy(ROOT / "params.yaml", folder)
    shutil.copytree(ROOT / "studies", folder / "studies")
    yaml = YAML()
    content = yaml.load(folder / file)
    change(content)
    yaml.dump(content, folder / file)
    return folder


def test_the_committed_files_are_valid_and_numbers_are_read_as_yaml_1_2_does() -> None:
    params = load_params(ROOT)
    assert params.current == load_study("kitchen", ROOT)
    assert params.current.train.weight_decay == 1e-5  # a string in YAML 1.1
    for name in study_names(ROOT):
        load_study(name, ROOT)


@pytest.mark.parametrize(
    ("file", "keys", "value", "message"),
    [
        ("params.yaml", ("study",), "kitchn", "study: 'kitchn' is none of how2, kitchen, my_videos"),
        ("params.yaml", ("study",), "../kitchen", "study: String should match pattern"),
        (
            "params.yaml",
            ("encoder",),
            "clip",
            "encoder: 'clip' has no mini version; scale mini has clip_vit_b32, random_vit_b32, resnet152, vit_b32_labels",
        ),
        ("params.yaml", ("runtime", "device"), "tpu", "runtime.device: "),
        ("params.yaml", ("runtime", "workers"), True, "runtime.workers: "),
        ("studies/kitchen.yaml", ("train", "lr"), 1e-3, "train.lr: unknown key"),
        ("studies/kitchen.yaml", ("frames", "count"), -3, "frames.count: "),
        ("studies/kitchen.yaml", ("frames", "count"), "eight", "frames.count: expected a whole number such as 3, given 'eight'"),
        ("studies/kitchen.yaml", ("train", "lr_new"), "abc", "train.lr_new: expected a number such as 1e-3, given 'abc'"),
        ("studies/kitchen.yaml", ("train", "lr_nwe"), 1e-3, "train.lr_nwe: unknown key; did you mean train.lr_new?"),
        ("studies/kitchen.yaml", ("frame",), {}, "frame: unknown key; did you mean frames?"),
        ("studies/kitchen.yaml", ("betas",), [0.9], "betas: unknown key; did you mean train.betas?"),
        ("studies/kitchen.yaml", ("train", "zzz"), 1, "train.zzz: unknown key; known here are epochs, patience"),
        ("studies/kitchen.yaml", ("seeds",), [], "seeds: at least 1 of them, given []"),
        ("studies/kitchen.yaml", ("train",), 3, "train: expected a block of keys, given 3"),
        ("studies/kitchen.yaml", ("rows", "clipsum"), {"trian": {}}, "rows.clipsum.trian: unknown key; did you mean train?"),
        ("studies/kitchen.yaml", ("dataset", "trian"), 3, "dataset.trian: unknown key; did you mean dataset.train?"),
        ("params.yaml", ("encodr",), "resnet152", "encodr: unknown key; did you mean encoder?"),
        ("studies/kitchen.yaml", ("train", "epochs"), 2.5, "train.epochs: "),
        ("studies/kitchen.yaml", ("dataset", "deictic_share"), 1.2, "dataset.deictic_share: "),
        ("studies/kitchen.yaml", ("dataset", "name"), "youtube", "dataset: name must be one of 'kitchen', 'folder'"),
        ("studies/kitchen.yaml", ("seeds",), [0, 0], "seeds [0, 0] repeat a value"),
        ("studies/kitchen.yaml", ("primary", "metric"), "bleu4", "primary.metric: "),
        ("studies/kitchen.yaml", ("primary", "margin"), 0.0, "primary.margin: "),
        ("studies/kitchen.yaml", ("train", "select"), "loss", "train.select: "),
        ("studies/kitchen.yaml", ("extra_metrics",), ["bertscor"], "extra_metrics.0: "),
        (
            "studies/kitchen.yaml",
            ("extra_metrics",),
            ["bertscore", "bertscore"],
            "extra_metrics ['bertscore', 'bertscore'] repeat",
        ),
        ("studies/kitchen.yaml", ("extra_metrics",), ["clipscore"], "extra_metrics: clipscore needs an encoder with a text side"),
        ("studies/kitchen.yaml", ("generate", "beams"), 0, "generate.beams: "),
        ("studies/kitchen.yaml", ("bootstrap_resamples",), 1, "bootstrap_resamples: "),
        ("studies/kitchen.yaml", ("model", "pooling"), "max", "model.pooling: "),
        ("studies/kitchen.yaml", ("rows", "clipsum"), {"train": {"lr": 1e-3}}, "rows.clipsum.train.lr: unknown key"),
        ("studies/kitchen.yaml", ("rows", "clipsum"), {"model": {"dropout": 2.0}}, "rows.clipsum.model.dropout: "),
        ("studies/kitchen.yaml", ("rows", "clipsum"), {"frames": {"count": 2}}, "rows.clipsum.frames: unknown key"),
        ("studies/kitchen.yaml", ("model", "fusion"), "late", "model.fusion: "),
        ("studies/kitchen.yaml", ("model", "temporal"), 1, "model.temporal: "),
    ],
)
def test_a_slip_names_its_key(tmp_path: Path, file: str, keys: tuple[str, ...], value: object, message: str) -> None:
    def change(content: Any) -> None:
        for key in keys[:-1]:
            content = content[key]
        content[keys[-1]] = value

    with pytest.raises(ValueError) as error:
        load_params(edited(tmp_path, change, file))
    assert message in str(error.value)
    if keys != ("study",) or value != "kitchn":
        assert file in str(error.value)


def test_every_slip_of_a_file_is_told_at_once(tmp_path: Path) -> None:
    def change(content: Any) -> None:
        content["train"]["epochs"] = 0
        del content["frames"]["count"]

    with pytest.raises(ValueError) as error:
        load_params(edited(tmp_path, change, "studies/kitchen.yaml"))
    assert "train.epochs" in str(error.value)
    assert "frames.count" in str(error.value)


def test_a_missing_or_broken_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"params\.yaml is missing; run stages from the project's top folder"):
        load_params(tmp_path)
    (tmp_path / "params.yaml").write_text("study: [kitchen\n")
    with pytest.raises(ValueError, match="not valid YAML"):
        load_params(tmp_path)


def test_zero_workers_means_one_a_core() -> None:
    runtime = load_params(ROOT).runtime
    assert runtime.processes >= 1
    assert runtime.model_copy(update={"workers": 3}).processes == 3


def flat(study: str) -> dict[str, Any]:
    """Every value of a study by its dotted key; a block that is null counts as one value."""

    def walk(value: Any, key: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            return {key: value}
        return {
            name: item for part, inner in value.items() for name, item in walk(inner, f"{key}.{part}" if key else part).items()
        }

    return walk(YAML(typ="safe", pure=True).load((ROOT / "studies" / f"{study}.yaml").read_text()), "")


# What makes each another task; all other values are those of the paper's.
TASK = {
    "dataset.summaries",
    "dataset.subtitles",
    "speech",
    "text.source",
    "text.max_source_tokens",
    "text.max_target_tokens",
    "generate.max_tokens",
}
SMALLER = {
    "dataset.max_failed_share", "dataset.videos", "scale", "frames.max_failed_share", "text.max_source_tokens",
    "text.max_target_tokens", "generate.beams", "generate.max_tokens", "model.temporal_feedforward", "train.epochs",
    "train.patience",
    "train.accumulation", "train.lr_pretrained", "train.lr_new", "finetune.lr_encoder", "seeds", "bootstrap_resamples",
    "dataset.subtitles", "speech",
}  # fmt: skip


@pytest.mark.parametrize(
    ("study", "base", "allowed"), [("youcook2_asr", "youcook2", TASK), ("youcook2_text_smoke", "youcook2_asr", SMALLER)]
)
def test_studies_of_youcook2_differ_where_they_must_and_nowhere_else(study: str, base: str, allowed: set[str]) -> None:
    ours, theirs = flat(study), flat(base)
    differing = {key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key)}
    reduced = {
        next((block for block in ("dataset.chat", "dataset.videos", "speech", "chosen") if key.startswith(block)), key)
        for key in differing
    }
    assert reduced - {"chosen"} <= allowed | ({"dataset.chat"} if study == "youcook2_asr" else set())
    assert allowed <= reduced, "an exception that is none any more"


@pytest.mark.parametrize("study", study_names(ROOT))
def test_a_study_says_what_it_is_and_how_to_run_it(study: str) -> None:
    """One key a line, and on top: what to fetch first, the command, what it costs, what to expect."""
    text = (ROOT / "studies" / f"{study}.yaml").read_text()
    head = text[: text.index("\n\n")]
    assert all(f"#   {word} " in head for word in ("first", "run", "cost", "expect"))
    assert study in head or "make demo" in head or "make text-smoke" in head
    blocks = text[: text.index("\nrows:")] + text[text.index("\nchosen:") :]  # a row's own values stand in one line
    assert ": {" not in "".join(line.split("#")[0] for line in blocks.splitlines()).replace(": {}", "")


def test_a_row_has_its_own_values_and_the_study_s_for_the_rest() -> None:
    study = load_study("kitchen", ROOT)
    rows = {"clipsum": RowSettings(train={"lr_new": 5e-4}, model={"dropout": 0.3}), "bart": RowSettings()}
    study = study.model_copy(update={"rows": rows})
    own = study.of_row("clipsum")
    assert (own.train.lr_new, own.model.dropout) == (5e-4, 0.3)
    assert own.train.model_copy(update={"lr_new": study.train.lr_new}) == study.train
    assert study.of_row("bart") == study
    with pytest.raises(ValueError, match=r"rows\.mine is missing; add `mine: \{\}`"):
        study.of_row("mine")


@pytest.mark.parametrize("name", study_names(ROOT))
def test_every_study_has_an_entry_for_every_row(name: str) -> None:
    """Those of `more_encoders` may have one, where their settings were searched."""
    declared = declared_names(ROOT / "dvc.yaml")
    rows = list(load_study(name, ROOT).rows)
    assert [row for row in rows if row in declared] == declared
    assert {*rows} - {*declared} <= {*ENCODERS}


def with_more(folder: Path, more: object, *, encoder: str = "clip_vit_b32", study: str = "kitchen") -> Path:
    def change(content: Any) -> None:
        content |= {"more_encoders": more, "encoder": encoder, "study": study}

    return edited(folder, change, "params.yaml")


def test_rows_of_more_encoders_need_no_entry_and_may_have_one(tmp_path: Path) -> None:
    folder = with_more(tmp_path, ["siglip2_b16", "timm:vit_base_patch16_224"], study="youcook2")
    params = load_params(folder)
    assert params.more_encoders == ("siglip2_b16", "timm:vit_base_patch16_224")
    study = load_study("youcook2", folder)
    assert params.current.of_row("siglip2_b16").train == study.train
    assert params.current.of_row("siglip2_b16").model == study.model
    with pytest.raises(ValueError, match=r"rows\.dinov3_b16 is missing"):
        params.current.of_row("dinov3_b16")
    path = folder / "studies" / "youcook2.yaml"
    path.write_text(path.read_text().replace("rows:", "rows:\n  siglip2_b16: {train: {lr_new: 0.25}}\n ", 1))
    assert load_params(folder).current.of_row("siglip2_b16").train.lr_new == 0.25


@pytest.mark.parametrize(
    ("more", "encoder", "study", "message"),
    [
        (["siglip2_b16"], "clip_vit_b32", "kitchen", "'siglip2_b16' has no mini version; scale mini has clip_vit_b32"),
        (["siglip3"], "clip_vit_b32", "youcook2", "'siglip3' is none of clip_vit_b32"),
        (["../../models"], "clip_vit_b32", "youcook2", "'../../models' is none of"),
        (["clip_vit_b32"], "clip_vit_b32", "kitchen", "'clip_vit_b32' is the encoder under study, so its row is `clipsum`"),
        (["siglip2_b16", "dinov3_b16", "siglip2_b16"], "clip_vit_b32", "youcook2", "siglip2_b16 stands there twice"),
        (["oracle"], "clip_vit_b32", "kitchen", "'oracle' is no encoder"),
        (["open_clip:ViT-B-16/laion2b"], "clip_vit_b32", "youcook2", "give it a short name in ENCODERS"),
        ("siglip2_b16", "clip_vit_b32", "youcook2", "expected a list in square brackets"),
        ([1], "clip_vit_b32", "youcook2", "more_encoders.0: expected a text, given 1"),
    ],
)
def test_more_encoders_that_cannot_have_a_row_are_refused(
    tmp_path: Path, more: object, encoder: str, study: str, message: str
) -> None:
    with pytest.raises(ValueError, match=r"params\.yaml") as error:
        load_params(with_more(tmp_path, more, encoder=encoder, study=study))
    assert "more_encoders" in str(error.value) and message in str(error.value)


@pytest.mark.parametrize("name", ["wikihow", "videoxum", "youcook2_asr"])
def test_a_reference_is_not_its_own_source(tmp_path: Path, name: str) -> None:
    def change(content: Any) -> None:
        content["text"]["source"] = "both"

    with pytest.raises(ValueError, match=rf"studies/{name}\.yaml: text\.source: 'both' would show what is to be written"):
        load_study(name, edited(tmp_path, change, f"studies/{name}.yaml"))


def test_every_encoder_has_a_title() -> None:
    assert TITLES.keys() == ENCODERS.keys()
    assert len(set(TITLES.values())) == len(TITLES)


def test_a_row_without_settings_is_refused_and_settings_without_a_row_are_told(tmp_path: Path) -> None:
    params = load_params(ROOT)
    assert check_row_settings(params, pipeline=ROOT / "dvc.yaml") == []
    rows = dict(params.current.rows)
    misspelt = replace(params, current=params.current.model_copy(update={"rows": rows | {"clipsm": RowSettings()}}))
    (warning,) = check_row_settings(misspelt, pipeline=ROOT / "dvc.yaml")
    assert "rows.clipsm is read by nothing" in warning and warning.endswith("did you mean rows.clipsum?")
    del rows["clipsum"]
    lacking = replace(params, current=params.current.model_copy(update={"rows": rows}))
    with pytest.raises(ValueError, match=r"studies/kitchen\.yaml: rows\.clipsum is missing; add `clipsum: \{\}`"):
        check_row_settings(lacking, pipeline=ROOT / "dvc.yaml")

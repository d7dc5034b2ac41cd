"""`params.yaml`: a slip is an error that names the key before any stage works."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from pipeline.params import load_params

PARAMS = Path(__file__).parent.parent / "params.yaml"


def edited(folder: Path, change: Callable[[Any], None]) -> Path:
    yaml = YAML()
    content = yaml.load(PARAMS)
    change(content)
    yaml.dump(content, folder / "params.yaml")
    return folder / "params.yaml"


def test_the_committed_file_is_valid_and_reads_numbers_as_yaml_1_2_does() -> None:
    params = load_params(PARAMS)
    assert params.current == params.studies["kitchen"]
    assert params.current.train.weight_decay == 1e-5  # a string in YAML 1.1


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (("study",), "kitchn", "study: 'kitchn' is none of kitchen, my_videos"),
        (("encoder",), "clip", "encoder: 'clip' has no mini tower; scale mini has clip_vit_b32, random_vit_b32, resnet152"),
        (("studies", "kitchen", "train", "lr"), 1e-3, "studies.kitchen.train.lr: unknown key"),
        (("studies", "kitchen", "frames", "count"), -3, "studies.kitchen.frames.count: "),
        (("studies", "kitchen", "frames", "count"), "eight", "(given: 'eight')"),
        (("studies", "kitchen", "train", "epochs"), 2.5, "studies.kitchen.train.epochs: "),
        (("studies", "kitchen", "dataset", "deictic_share"), 1.2, "studies.kitchen.dataset.deictic_share: "),
        (("studies", "kitchen", "dataset", "name"), "youtube", "studies.kitchen.dataset"),
        (("studies", "kitchen", "seeds"), [0, 0], "seeds [0, 0] repeat a value"),
        (("studies", "kitchen", "scale"), "full", "scale 'full' takes published weights: set `pretrain: null`"),
        (("studies", "my_videos", "generate", "beams"), 0, "studies.my_videos.generate.beams: "),
        (("studies", "kitchen", "bootstrap_resamples"), 1, "studies.kitchen.bootstrap_resamples: "),
        (("studies", "kitchen", "model", "pooling"), "max", "studies.kitchen.model.pooling: "),
        (("studies", "kitchen", "model", "fusion"), "late", "studies.kitchen.model.fusion: "),
        (("studies", "kitchen", "model", "temporal"), 1, "studies.kitchen.model.temporal: "),
        (("runtime", "device"), "tpu", "runtime.device: "),
        (("runtime", "workers"), True, "runtime.workers: "),
    ],
)
def test_a_slip_names_its_key(tmp_path: Path, keys: tuple[str, ...], value: object, message: str) -> None:
    def change(content: Any) -> None:
        for key in keys[:-1]:
            content = content[key]
        content[keys[-1]] = value

    with pytest.raises(ValueError) as error:
        load_params(edited(tmp_path, change))
    assert message in str(error.value)
    assert "params.yaml" in str(error.value)


def test_every_slip_is_told_at_once(tmp_path: Path) -> None:
    def change(content: Any) -> None:
        content["studies"]["kitchen"]["train"]["epochs"] = 0
        del content["studies"]["kitchen"]["frames"]["count"]

    with pytest.raises(ValueError) as error:
        load_params(edited(tmp_path, change))
    assert "studies.kitchen.train.epochs" in str(error.value)
    assert "studies.kitchen.frames.count" in str(error.value)


def test_a_missing_or_broken_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"nowhere\.yaml is missing; run stages from the project's top folder"):
        load_params(tmp_path / "nowhere.yaml")
    (tmp_path / "params.yaml").write_text("study: [kitchen\n")
    with pytest.raises(ValueError, match="not valid YAML"):
        load_params(tmp_path / "params.yaml")


def test_zero_workers_means_one_a_core() -> None:
    runtime = load_params(PARAMS).runtime
    assert runtime.processes >= 1
    assert runtime.model_copy(update={"workers": 3}).processes == 3

"""The real `dvc repro` in a copy of the project, on a tiny study: what re-runs after which change."""

from pathlib import Path

import pytest

from tests.tiny_project import REPORTING, ROWS, STUDIED, STUDY, Project, set_value, stages

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]


@pytest.fixture(scope="module")
def project(first_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project.copied(first_run, tmp_path_factory.mktemp("changes") / "project")


def test_a_change_re_runs_what_it_touches_and_nothing_else(project: Project) -> None:
    assert project.repro() == set()

    project.edit("params.yaml", set_value("runtime", "extraction_batch_size", value=7))
    assert project.repro() == set()

    project.edit("params.yaml", set_value("encoder", value="resnet152"))
    assert project.repro() == stages("train", *STUDIED) | stages("evaluate", *STUDIED) | REPORTING
    project.edit("params.yaml", set_value("encoder", value="clip_vit_b32"))
    assert project.repro() == set(), "switching back takes the results of before"

    for keys, expected in (
        (("train", "lr_new"), stages("train", *ROWS)),
        (("generate", "beams"), stages("train", *ROWS) | stages("evaluate", *ROWS) | {"costs"}),
        (("model", "fusion_layer"), stages("train", *STUDIED)),
        (("finetune", "lr_tower"), {"train@clipsum_finetuned"}),
        (("bootstrap_resamples",), stages("evaluate", *ROWS) | {"floors", "report"}),
    ):
        before = project.value(*STUDY, *keys)
        project.edit("params.yaml", set_value(*STUDY, *keys, value=before + 1))
        assert project.changed("dvc.yaml") == expected, keys
        project.edit("params.yaml", set_value(*STUDY, *keys, value=before))
    assert project.changed("dvc.yaml") == set()

    project.edit("params.yaml", set_value(*STUDY, "frames", "count", value=3))
    assert project.repro() == (
        {"sample_frames", "extract_features@clip_vit_b32", "extract_features@resnet152"}
        | REPORTING
        | stages("train", *STUDIED)
        | stages("evaluate", *STUDIED)
    ), "all that looks at frames, and not the text-only row"

"""What a stage says when it fails, and what a failed experiment leaves behind."""

import subprocess
from pathlib import Path

import pytest

import stages
from pipeline.base.params import load_study
from pipeline.base.row_names import check_row_settings


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(stages, "end_with_dvc", lambda: None)
    for name in ("DVC_EXP_NAME", "DVC_ROOT"):
        monkeypatch.delenv(name, raising=False)


def test_what_the_project_refuses_is_one_line_and_what_it_did_not_foresee_has_its_traceback() -> None:
    with pytest.raises(SystemExit) as refused:
        stages.run(lambda: print(load_study("kitchn")))
    assert refused.value.code == "error: study: 'kitchn' is none of ; a study is a file studies/<name>.yaml"
    with pytest.raises(AttributeError):
        stages.run(lambda: check_row_settings(None))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="invalid literal"):
        stages.run(lambda: print(int("one")))


@pytest.mark.parametrize("name", ["", "leaky-dhow"])
def test_a_failed_experiment_says_what_it_has_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    def git(*arguments: str) -> str:
        identity = ("-c", "user.name=test", "-c", "user.email=test@example.org")
        return subprocess.run(["git", *identity, *arguments], check=True, capture_output=True, text=True).stdout

    params = tmp_path / "params.yaml"
    params.write_text("study: kitchen\n")
    git("init", "-q")
    git("add", "params.yaml")
    git("commit", "-qm", "params")
    if name:
        monkeypatch.setenv("DVC_EXP_NAME", name)
    with pytest.raises(SystemExit):
        stages.run(lambda: print(load_study("kitchn")))
    assert capsys.readouterr().err == "", "nothing was set"
    params.write_text("study: kitchn \n")  # of the same size, which git need not notice within a second
    with pytest.raises(SystemExit):
        stages.run(lambda: print(load_study("kitchn")))
    told = capsys.readouterr().err
    assert ("`git restore params.yaml` takes them back" in told) == bool(name)
    if name:
        git("restore", "params.yaml")
        assert params.read_text() == "study: kitchen\n"

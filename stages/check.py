"""Stage `check`: all parameters, and the disk that they ask for, before DVC removes or makes anything for them.

python -m stages.check
"""

from pathlib import Path

from pipeline.base.disk import require_disk
from pipeline.base.files import write_text
from pipeline.base.params import load_params, read_yaml
from pipeline.base.paths import PIPELINE
from pipeline.base.row_names import check_external_names, check_row_settings
from pipeline.base.scratch import scratch_root
from pipeline.base.shared_disk import try_disk
from stages import run

CHECKED = Path("data/checked.txt")


def main() -> None:
    params = load_params()
    if params.current.dataset.name == "folder":
        params.current.dataset.require_table()
    check_external_names(params)
    for warning in check_row_settings(params):
        print(f"warning: {warning}")
    pipeline = read_yaml(PIPELINE)
    if not params.current.frames.keep:
        trained = [name for name, row in pipeline["stages"]["train"]["foreach"].items() if row["trains"] == "finetune"]
        print(
            f"frames.keep: false: rows that train an encoder need frames, and will stop: {', '.join(trained) or 'there are none'}"
        )
    print(require_disk(params, pipeline, folder=scratch_root().parent))
    print(try_disk(scratch_root()))
    # The same bytes whatever was checked, so that nothing else runs again because of it.
    write_text(CHECKED, "The parameters were checked before the first stage.\n")


if __name__ == "__main__":
    run(main)

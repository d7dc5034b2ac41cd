"""Pretrain the mini models of `foundation/` anew, and say how far they are from those that are shipped. `make foundation`

python -m stages.foundation            40 minutes on two cores; goes on where it stopped
python -m stages.foundation --accept   put what was made in the place of what is shipped
"""

import argparse

from pipeline.base.params import load_params
from pipeline.base.paths import FOUNDATION
from pipeline.base.scratch import link_files
from pipeline.foundation.make import NAMES, differences, make_foundation
from pipeline.foundation.settings import read_settings
from stages import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accept", action="store_true", help="ship what was made")
    accept = parser.parse_args().accept
    made = make_foundation(read_settings(), workers=load_params().runtime.processes)
    if accept:
        for name in NAMES:
            link_files(made / name, sorted(path.name for path in (made / name).iterdir()), FOUNDATION / name)
        print(f"{FOUNDATION}: {', '.join(NAMES)} replaced; look at `git diff --stat` and commit what you want to keep")
        return
    for line in differences(made, FOUNDATION):
        scores = "; ".join(f"{key} {line['made'][key]:.4f}, shipped {value:.4f}" for key, value in line["shipped"].items())
        print(f"{line['name']}: weights differ by {line['distance']:.2e} of their size; {scores}")


if __name__ == "__main__":
    run(main)

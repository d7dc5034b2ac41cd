"""Run the youcook2 study at full size on random weights and a handful of videos; write docs/full_size.md. `make rehearsal`

python -m stages.rehearsal          hours on two cores; goes on where it stopped; removes its files at the end
python -m stages.rehearsal --keep   leaves them in .scratch/rehearsal/
"""

import argparse
import shutil
import sys
from pathlib import Path

from pipeline.base.files import write_text
from pipeline.base.params import load_params
from pipeline.base.scratch import scratch_root
from pipeline.rehearsal.architectures import Shapes
from pipeline.rehearsal.document import as_document
from pipeline.rehearsal.rehearse import rehearse
from pipeline.rehearsal.videos import Handful
from stages import run

DOCUMENT = Path("docs/full_size.md")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", action="store_true", help="keep weights, videos and the copy of the project")
    keep = parser.parse_args().keep
    work = scratch_root() / "rehearsal"
    try:
        done = rehearse(Path(), work, handful=Handful(), shapes=Shapes(), workers=load_params().runtime.processes)
    except RuntimeError as error:
        sys.exit(f"rehearsal: {error}")
    text = as_document(done)
    write_text(DOCUMENT, text)
    print(text)
    print(f"written to {DOCUMENT}")
    if not keep:
        shutil.rmtree(work)


if __name__ == "__main__":
    run(main)

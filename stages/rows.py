"""Train every row of dvc.yaml, and of more_encoders, over all seeds at once. `make rows ENGINE=ray`

python -m stages.rows --engine ray              a GPU for each process of a seed, or cores, anywhere in the cluster
python -m stages.rows --engine slurm --cores 4  the same in Slurm jobs, on a CPU with four cores a seed
python -m stages.rows                           here, row after row

It trains into .scratch/, whence `dvc repro` then publishes, logs and scores in seconds; a killed run goes on where it stopped.
"""

import argparse
import sys
from dataclasses import replace

from pipeline.base.engines.engine import choose_engine
from pipeline.base.params import load_params
from pipeline.base.row_names import declared_names
from pipeline.training.rows import train_rows
from stages import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=("local", "ray", "slurm"), default="local", help="where seeds are trained")
    parser.add_argument("--cores", type=int, default=0, help="of a seed on a CPU; 0: as many as stage `train` gives it")
    arguments = parser.parse_args()
    if arguments.cores < 0:
        parser.error("--cores is less than nothing")
    params = load_params()
    params = replace(params, runtime=params.runtime.model_copy(update={"engine": arguments.engine}))
    engine = None if arguments.engine == "local" else choose_engine(params.runtime)
    names = declared_names(more=params.more_encoders)
    wrong = train_rows(names, params, engine=engine, cores=arguments.cores)
    for name, reasons in wrong.items():
        print(f"{name}: {'; '.join(reasons) or 'trained'}")
    if any(wrong.values()):
        sys.exit(1)


if __name__ == "__main__":
    run(main)

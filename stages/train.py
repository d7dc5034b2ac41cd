"""Train one row of `dvc.yaml`, or of `more_encoders`, over all seeds. `python -m stages.train --row clipsum`"""

from pipeline.base.params import load_params
from pipeline.training.table_row import declared_row
from pipeline.training.train_row import train_row
from stages import item_of_stage, run


def main() -> None:
    name = item_of_stage(__doc__, "row", meaning="an entry of train or train_text in dvc.yaml, or one of more_encoders")
    params = load_params()
    row = declared_row(name, encoder=params.encoder, more=params.more_encoders)
    for result in train_row(row, params):
        print(
            f"{row.name}, seed {result['seed']}: best of {result['epochs']} epochs is {result['best_epoch']}, "
            f"validation {params.current.train.select} {result['val_score']:.2f}"
        )


if __name__ == "__main__":
    run(main)

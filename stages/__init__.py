"""One thin file per DVC stage: parse, load typed parameters, call `pipeline`, write outputs.

Each runs without DVC and without MLflow.
"""

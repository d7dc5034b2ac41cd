"""What the files of an exported row are called."""

FACTS, CARD, TOKENIZER, ENCODER = "summariser.json", "README.md", "tokenizer", "encoder"
EXPORT = "export"  # the folder itself, among the artifacts of a model of MLflow
FORMAT = 1  # of FACTS

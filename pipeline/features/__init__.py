"""Stage `extract_features`: embeddings of frames in Parquet, and the frames that a model is given."""

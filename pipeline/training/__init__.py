"""Stage `train`: rows of the table, batches, the training loop, generation."""

"""The systems of the comparison table, one file each; `parts/` holds what they share."""

"""The systems of the comparison table: one file per part or baseline."""

"""Metrics, statistics and floors, and the record of a row's results that `evaluate` writes and `report` reads."""

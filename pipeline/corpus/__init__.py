"""Stage `download`: every dataset becomes one table, a row per video asked for."""

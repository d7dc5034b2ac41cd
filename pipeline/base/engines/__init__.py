"""Where shards are worked on: in processes here, on a Ray cluster, or in Slurm jobs. A file each, imported when it is chosen."""

"""What every room needs: parameters, files, scratch and shards, the code behind a result, devices, tracking."""

"""What every command has: options, run directories, tracking, sweeps, workers, results that only grow."""

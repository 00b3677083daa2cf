"""What every command has: options and their files, run directories, tracking, workers."""

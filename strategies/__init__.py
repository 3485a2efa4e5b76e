"""One file, one strategy; the file's stem is its name."""

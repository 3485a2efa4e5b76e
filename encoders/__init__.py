"""One file, one encoder; the file's stem is its name."""

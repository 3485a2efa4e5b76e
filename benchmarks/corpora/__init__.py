"""One file, one corpus."""

"""From corpora and vector files to arrays: finding, reading, splitting, preparing."""

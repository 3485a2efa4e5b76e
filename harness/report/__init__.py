"""What a person reads of a grid: tables made from the resolved grid and the records, and from nothing else."""

"""What is compared: corpora, grids and speed suites."""

"""The plumbing of Reprise: it schedules, seeds, trains, scores and records, and knows no plugin by name."""

__version__ = "0.1.0"

"""From a grid to records: what is missing, what it stands on, and any concurrent.futures.Executor that makes it."""

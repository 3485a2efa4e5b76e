"""One TOML file, the claims of one paper or one lab."""

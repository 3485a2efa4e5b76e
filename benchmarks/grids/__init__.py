"""One TOML file, one grid."""

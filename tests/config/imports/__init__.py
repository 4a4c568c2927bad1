"""What each importer makes of its peer's files."""

"""What each exporter makes of services, and that its importer reads it back."""

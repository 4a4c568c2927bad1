"""The command line: hands and face. Each verb asks, then renders; it decides nothing itself."""

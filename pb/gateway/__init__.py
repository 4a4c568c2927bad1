"""The network face: HTTP and gRPC behind a token. It asks the scheduler and decides nothing."""

"""Generated protobuf and gRPC code; written by `python -m pb.gateway.protos`, never by hand."""

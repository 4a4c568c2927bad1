"""gRPC: both services, health and reflection as one server, behind its door.

The methods are in ``rpc_calls``, the messages in ``rpc_words``, the tokens in ``rpc_door``.
"""

from __future__ import annotations

from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from pb.gateway.bridge import Bridge
from pb.gateway.doorman import Doorman
from pb.gateway.hub import Hub
from pb.gateway.proto import memory_pb2, memory_pb2_grpc, scheduler_pb2_grpc
from pb.gateway.rpc_calls import METHODS_OF, CompatibleServicer, SchedulerServicer
from pb.gateway.rpc_door import TokenCheck

MESSAGE_LIMIT = 4 * 1024 * 1024
"""Bytes of one message that arrives."""

CALLS = 512
"""Calls under way at once; the next one is RESOURCE_EXHAUSTED."""

OPTIONS = (
    ("grpc.max_receive_message_length", MESSAGE_LIMIT),
    ("grpc.max_send_message_length", -1),  # 10,000 jobs are more than 4 MiB; clients have a limit
    ("grpc.so_reuseport", 0),  # by default a second gateway would silently share the port
    ("grpc.max_concurrent_streams", 128),
)

SERVICES = ("pb.v1.SchedulerService", "memory.MemoryService")


async def grpc_server(bridge: Bridge, doorman: Doorman, hub: Hub) -> grpc.aio.Server:
    """The server with everything registered; the caller adds a port and starts it."""
    server = grpc.aio.server(
        interceptors=[TokenCheck(doorman, METHODS_OF)],
        options=OPTIONS,
        maximum_concurrent_rpcs=CALLS,
    )
    scheduler_pb2_grpc.add_SchedulerServiceServicer_to_server(
        SchedulerServicer(bridge, hub), server
    )
    memory_pb2_grpc.add_MemoryServiceServicer_to_server(
        CompatibleServicer(bridge, memory_pb2), server
    )
    health_pb2_grpc.add_HealthServicer_to_server(await serving(), server)
    names = (*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server)
    return server


async def serving() -> Any:
    """The health service: this face is up, whatever its scheduler does (as ``/healthz`` says)."""
    servicer = health.aio.HealthServicer()
    for name in ("", *SERVICES):
        await servicer.set(name, health_pb2.HealthCheckResponse.SERVING)
    return servicer

"""The part of the registry that is about services. What a method does is in ``services`` and its
neighbours, or in the scheduler's engine."""

from __future__ import annotations

from pb.api import offline, service_files, service_graph, service_views, services
from pb.api.registry import Method, Param

NAME = {"name": Param("string")}
NAMES = {"names": Param("array")}
TIMEOUT = Param("number", 60)

SERVICE_METHODS: tuple[Method, ...] = (
    Method(
        name="service.list",
        summary="All services, instance by instance, or some",
        scope="read",
        params={"names": Param("array", ())},
        call=service_views.service_list,
    ),
    Method(
        name="service.show",
        summary="One service, whole",
        scope="read",
        params=NAME,
        call=service_views.service_show,
    ),
    Method(
        name="service.add",
        summary="Add a service, or replace one",
        scope="write",
        params={
            "definition": Param("object"),
            "replace": Param("boolean", False),
            "source": Param("string", "cli"),
        },
        call=services.service_add,
        is_for_admins=True,
    ),
    Method(
        name="service.apply",
        summary="Make services what a file says, all of them or none; tells what changes",
        scope="write",
        params={
            "definitions": Param("array"),
            "source": Param("string"),
            "beside": Param("array", ()),
            "dry_run": Param("boolean", False),
        },
        call=service_files.service_apply,
        is_for_admins=True,
    ),
    Method(
        name="service.prune",
        summary="Remove the services that came from a file or directory, but some",
        scope="write",
        params={
            "scope": Param("string"),
            "keep": Param("array"),
            "dry_run": Param("boolean", False),
        },
        call=service_files.service_prune,
    ),
    Method(
        name="service.export",
        summary="The definitions of some services or all, as a file would have them",
        scope="read",
        params={"names": Param("array", ())},
        call=service_files.service_export,
    ),
    Method(
        name="service.remove",
        summary="Stop a service and forget it",
        scope="write",
        params=NAME,
        call=services.service_remove,
    ),
    Method(
        name="service.enable",
        summary="Make a service part of `all`, and start it with the scheduler",
        scope="write",
        params=NAME,
        call=services.service_enable,
    ),
    Method(
        name="service.disable",
        summary="Take a service out of `all`; what runs goes on",
        scope="write",
        params=NAME,
        call=services.service_disable,
    ),
    Method(
        name="service.scale",
        summary="Run so many instances of a service",
        scope="write",
        params={**NAME, "replicas": Param("integer")},
        call=services.service_scale,
    ),
    Method(
        name="service.plan",
        summary="In which order services would be started or stopped",
        scope="read",
        params={**NAMES, "action": Param("string", "start"), "deps": Param("boolean", True)},
        call=service_graph.service_plan,
    ),
    Method(
        name="service.start",
        summary="Start services and what they depend on; answers when they are ready or failed",
        scope="write",
        params={
            **NAMES,
            "deps": Param("boolean", True),
            "wait": Param("string", "ready"),
            "timeout": TIMEOUT,
        },
        needs_daemon=True,
    ),
    Method(
        name="service.stop",
        summary="Stop services; answers when their trees are gone",
        scope="write",
        params={
            **NAMES,
            "force": Param("boolean", False),
            "timeout": Param("number", None),
            "dependents": Param("boolean", False),
        },
        needs_daemon=True,
        call=offline.service_stop,
        transacts=False,
    ),
    Method(
        name="service.restart",
        summary="Restart services with their present definitions; answers when they are ready",
        scope="write",
        params={
            **NAMES,
            "wait": Param("string", "ready"),
            "timeout": TIMEOUT,
            "force": Param("boolean", False),
        },
        needs_daemon=True,
    ),
    Method(
        name="service.reload",
        summary="Have a service read its own configuration again, by its `reload` key",
        scope="write",
        params=NAME,
        needs_daemon=True,
    ),
    Method(
        name="service.reset",
        summary="Forget the failures of services, and start those that failed",
        scope="write",
        params=NAMES,
        needs_daemon=True,
    ),
    Method(
        name="service.signal",
        summary="Send a signal to a service's leader, its process group or its whole tree",
        scope="write",
        params={
            **NAME,
            "signal": Param("string"),
            "scope": Param("string", "main"),
        },
        needs_daemon=True,
        call=offline.service_signal,
        transacts=False,
    ),
    Method(
        name="service.wait",
        summary="Wait until services are ready, healthy or stopped, at most timeout seconds",
        scope="read",
        params={**NAMES, "for": Param("string", "ready"), "timeout": TIMEOUT},
        needs_daemon=True,
    ),
)

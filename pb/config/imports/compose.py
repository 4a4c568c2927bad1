"""A compose file becomes services, as far as they are programs that run without a container.

pb has no engine: a service that is only an image is refused, unless its command is a program that
is here. Keys are those of the Compose Specification.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from pb.config.imports.compose_keys import KEYS
from pb.config.imports.compose_values import interpolated, variables, words
from pb.config.imports.found import Draft, Entry, Import, Imported, Surroundings, take_keys
from pb.config.located import Document, DocumentError
from pb.config.yaml_text import parse_yaml
from pb.core.fields import join_key
from pb.errors import InvalidError

HERE = ("command", "entrypoint", "image", "build", "working_dir", "depends_on")
"""Keys that are read together with others."""

OVERRIDES = tuple(
    f"{stem}.override.{end}" for stem in ("compose", "docker-compose") for end in ("yaml", "yml")
)
CONDITIONS = {
    "service_started": "started",
    "service_healthy": "healthy",
    "service_completed_successfully": "completed",
}
NO_ENGINE = "is an image, and pb runs programs without a container engine"


def read_compose(text: str, *, path: str, around: Surroundings) -> Imported:
    """Import a compose file at ``path`` (absolute). Never raises for what the file says."""
    found = Import(path, around)
    try:
        document = parse_yaml(text)
    except DocumentError as error:
        found.refuse(Entry(path, error.line, "", None), error.message, error.hint)
        return found.result()
    ComposeReader(found, document).read()
    return found.result()


class ComposeReader:
    """One compose file: its services, then what they need of one another."""

    def __init__(self, found: Import, document: Document) -> None:
        self.found = found
        self.document = document
        self.folder = os.path.dirname(found.file)
        self.names = variables(self.folder, found.around.env)
        self.drafts: dict[str, Draft] = {}

    def read(self) -> None:
        services = self.document.value.get("services")
        self._beside()
        for key in self.document.value:
            if key == "include":
                hint = "Write out what it includes: docker compose config"
                self.found.refuse(self._entry(key, None), "takes other files in", hint)
            elif key not in ("services", "version", "name") and not key.startswith("x-"):
                self.found.leave_out(self._entry(key, None), "is about containers")
        if not isinstance(services, Mapping) or not services:
            self.found.refuse(self._entry("services", None), "has no services")
            return
        for name, table in services.items():
            self._service(name, table)
        for name, draft in self.drafts.items():
            self._depend(draft, join_key("services", name), services[name])

    def _beside(self) -> None:
        """docker would read an override as well, if it is there and no file was named."""
        for name in OVERRIDES:
            if os.path.exists(os.path.join(self.folder, name)):
                place = Entry(os.path.join(self.folder, name), None, "", None)
                hint = "To have both in one file: docker compose config > both.yaml"
                self.found.leave_out(place, "is beside it and was not read", hint)

    def _entry(self, place: str, value: Any, key: str | None = None) -> Entry:
        return Entry(self.found.file, self.document.line_of(place), key or place, value)

    def _service(self, name: str, table: object) -> None:
        place = join_key("services", name)
        if not isinstance(table, Mapping):
            self.found.refuse(self._entry(place, None), "is not a table of a service's keys")
            return
        if "extends" in table:
            hint = "Write out what it extends: docker compose config"
            self.found.refuse(self._entry(f"{place}.extends", None), "extends another", hint)
            return
        missing: list[str] = []
        try:
            values = {key: interpolated(value, self.names, missing) for key, value in table.items()}
        except InvalidError as error:
            self.found.refuse(self._entry(place, None), error.message, error.hint)
            return
        argv = self._argv(place, values)
        if argv is None:
            return
        draft = self.found.service(name, self._entry(place, None))
        self.drafts[name] = draft
        draft.put("command", argv)
        self._told(draft, place, values, missing)
        entries = [
            self._entry(f"{place}.{key}", value, key)
            for key, value in values.items()
            if key not in HERE and value is not None and not key.startswith("x-")
        ]
        take_keys(draft, entries, KEYS, "is about containers, or no key that pb knows")
        if "restart" not in values and draft.get("restart.mode") is None:
            draft.put("restart.mode", "never")

    def _argv(self, place: str, values: Mapping[str, Any]) -> list[str] | None:
        """What the container would run, when it is a program that is here; else a refusal."""
        from shutil import which

        argv = [*words(values.get("entrypoint")), *words(values.get("command"))]
        image = values.get("image")
        at = self._entry(place, None)
        if not argv:
            if image and "build" not in values:
                hint = f"Install it here, then: pb service add {place.split('.')[-1]} -- COMMAND"
                self.found.refuse(self._entry(f"{place}.image", None), f"{image} {NO_ENGINE}", hint)
            else:
                message = "has no command: what it runs stands in its Dockerfile"
                self.found.refuse(at, message, "Write its CMD here: command: [...]")
            return None
        if which(argv[0], path=self._path(values)) is None and not self._is_here(argv[0], values):
            hint = f"Install {argv[0]}, and import again."
            self.found.refuse(at, f"{argv[0]} is not on this machine, only in its image", hint)
            return None
        return argv

    def _path(self, values: Mapping[str, Any]) -> str | None:
        return self.found.around.env.get("PATH")

    def _is_here(self, program: str, values: Mapping[str, Any]) -> bool:
        return "/" in program and os.access(os.path.join(self._cwd(values), program), os.X_OK)

    def _cwd(self, values: Mapping[str, Any]) -> str:
        """Where the code is on this machine: ``working_dir`` if it is here, else the context."""
        wanted = str(values.get("working_dir") or "")
        if wanted.startswith("/") and os.path.isdir(wanted):
            return wanted
        build = values.get("build")
        context = build.get("context", ".") if isinstance(build, Mapping) else build or "."
        return os.path.normpath(os.path.join(self.folder, os.path.expanduser(str(context))))

    def _told(
        self, draft: Draft, place: str, values: Mapping[str, Any], missing: list[str]
    ) -> None:
        """The directory, and what is lost without the image."""
        cwd = self._cwd(values)
        draft.put("cwd", cwd)
        wanted = values.get("working_dir")
        if wanted and cwd != wanted:
            entry = self._entry(f"{place}.working_dir", None, "working_dir")
            draft.change(entry, f"{wanted} is in the image; it runs in {cwd}")
        for key in ("image", "build"):
            if key in values:
                entry = self._entry(f"{place}.{key}", None, key)
                draft.leave_out(entry, f"runs without a container: {draft.definition['command'][0]}"
                                " is this machine's own")  # fmt: skip
                break
        for name in dict.fromkeys(missing):
            draft.change(self._entry(place, None, "env"), f"${name} is not set, so it is empty")

    def _depend(self, draft: Draft, place: str, table: Mapping[str, Any]) -> None:
        needs = table.get("depends_on") or {}
        if isinstance(needs, list):
            needs = {str(name): {} for name in needs}
        if not isinstance(needs, Mapping):
            draft.leave_out(self._entry(place, None, "depends_on"), "is neither a list nor a table")
            return
        for name, how in needs.items():
            entry = self._entry(f"{place}.depends_on", None, f"depends_on.{name}")
            other = self.drafts.get(str(name))
            if other is None:
                draft.leave_out(entry, f"{name} was not imported, so nobody waits for it")
                continue
            how = how if isinstance(how, Mapping) else {}
            self._need(draft, entry, other, how)

    def _need(self, draft: Draft, entry: Entry, other: Draft, how: Mapping[str, Any]) -> None:
        word = str(how.get("condition", "service_started"))
        dependency: dict[str, Any] = {"service": other.name}
        dependency["condition"] = CONDITIONS.get(word, "started")
        if word not in CONDITIONS:
            draft.change(entry, f"{word} is no condition; it waits until {other.name} is started")
        if how.get("restart") is True:
            dependency["restart_with"] = True
        if how.get("required") is False:
            draft.change(entry, f"{other.name} is always needed now")
        draft.append("depends_on", dependency)

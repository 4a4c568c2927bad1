"""A request's path, query and body as the parameters of a method of the registry.

Text is read strictly: an unknown or doubled parameter is an error, as a misspelled filter would
show too much, and a name in a path is decoded once and then has to be a name.
"""

from __future__ import annotations

import json
import re
from typing import Any

from starlette.requests import Request

from pb.api.registry import REQUIRED, Param, checked
from pb.errors import InvalidError, UsageError, did_you_mean
from pb.gateway.endpoints import NARROWED, NONE, NUMBER_PATTERN, Endpoint

Json = dict[str, Any]

WHOLE_NUMBER = re.compile("-?[0-9]{1,18}")
NUMBER = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?")
BOOLEANS = {"true": True, "false": False, "1": True, "0": False}


async def params_of(endpoint: Endpoint, request: Request) -> Json:
    """What the request asks ``endpoint.method`` with. Raises PbError for what does not fit."""
    found = {**in_path(endpoint, request), **endpoint.fixed}
    document = await body(request)
    if endpoint.whole is not None:
        found[endpoint.whole] = definition(document, found.pop("name", None))
    given = {} if endpoint.whole is not None else document or {}
    if endpoint.has_query:
        refuse_body(endpoint, given)
        given = in_query(endpoint, request)
    elif request.query_params:
        raise UsageError("This request takes its parameters in the body, not in the query")
    found |= taken(endpoint, given)
    checked(endpoint.of, found)
    return found


def in_path(endpoint: Endpoint, request: Request) -> Json:
    found: Json = {}
    if "name" in request.path_params:
        name = checked_name(request.path_params["name"], endpoint.name)
        if "names" in endpoint.of.params:
            found["names"] = [name]
        else:
            found["name"] = name
    if "run_id" in request.path_params:
        found["run_id"] = run_number(request.path_params["run_id"])
    return found


def checked_name(name: str, pattern: str) -> str:
    if not re.fullmatch(pattern, name):
        raise InvalidError(
            "That is no name",
            hint="A name has up to 64 letters, digits, dots, dashes and underscores.",
        )
    return name


def run_number(text: str) -> int:
    if not re.fullmatch(NUMBER_PATTERN, text):
        raise InvalidError("A run has a number", hint="See /api/v1/runs for the runs there are.")
    return int(text)


def refuse_body(endpoint: Endpoint, given: Json) -> None:
    if given:
        raise UsageError(f"{endpoint.verb} takes no body here")


def taken(endpoint: Endpoint, given: Json) -> Json:
    """The parameters by their names in the registry, each within its bounds."""
    found = {}
    for word, value in given.items():
        if word not in endpoint.takes:
            known = tuple(endpoint.takes)
            hint = did_you_mean(word[:64], known) or (
                f"Known here: {', '.join(known)}." if known else "None is known here."
            )
            raise UsageError(f"There is no parameter {word[:64]!a} here", hint=hint)
        fit(endpoint, word, value)
        found[endpoint.takes[word]] = value
    return found


def fit(endpoint: Endpoint, word: str, value: Any) -> None:
    """Raises UsageError for a value beyond what the document says of it."""
    rule = NARROWED.get(endpoint.kinds.get(word, word), NONE)
    items = value if isinstance(value, list) else [value]
    choices = rule.get("enum") or rule.get("items", NONE).get("enum")
    for item in items:
        if choices and item is not None and item not in choices:
            hint = did_you_mean(str(item)[:64], tuple(choices)) or f"One of: {', '.join(choices)}."
            raise UsageError(f"There is no {word} {str(item)[:64]!a}", hint=hint)
        if isinstance(item, int | float) and not isinstance(item, bool):
            within(word, item, rule)
    if "pattern" in rule and isinstance(value, str) and not re.fullmatch(rule["pattern"], value):
        raise UsageError(f"{word} has to be a job name")


def within(word: str, number: float, rule: Any) -> None:
    low, high = rule.get("minimum"), rule.get("maximum")
    too_low = (low is not None and number < low) or number <= rule.get(
        "exclusiveMinimum", number - 1
    )
    if too_low or (high is not None and number > high):
        least = low if low is not None else f"above {rule.get('exclusiveMinimum')}"
        raise UsageError(f"{word} is a number from {least} to {high}")


# -- the query


def in_query(endpoint: Endpoint, request: Request) -> Json:
    found: Json = {}
    for word, text in request.query_params.multi_items():
        param = endpoint.of.params.get(endpoint.takes.get(word, ""))
        if param is None:
            found[word] = text  # ``taken`` says that it is unknown
        elif param.type == "array":
            found.setdefault(word, []).append(text)
        elif word in found:
            raise UsageError(f"{word} is given twice")
        else:
            found[word] = read(word, text, param)
    return found


def read(word: str, text: str, param: Param) -> Any:
    match param.type:
        case "integer" if WHOLE_NUMBER.fullmatch(text):
            return int(text)
        case "number" if NUMBER.fullmatch(text):
            return float(text)
        case "boolean" if text in BOOLEANS:
            return BOOLEANS[text]
        case "string" if "\0" not in text:
            return text
    bounds = NARROWED.get(word, NONE)
    if "minimum" in bounds:
        raise UsageError(f"{word} is a number from {bounds['minimum']} to {bounds['maximum']}")
    raise UsageError(f"{word} is of type {param.type}")


# -- the body


async def body(request: Request) -> Json | None:
    """The JSON object of a request; None without one."""
    text = await request.body()
    if not text.strip():
        return None
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise UsageError("A body has to be application/json")
    try:
        document = json.loads(text, parse_constant=no_number)
        if b"\\u" in text:
            json.dumps(document, ensure_ascii=False).encode()  # half a character is no text
    except (ValueError, RecursionError) as error:
        raise UsageError("The body is not JSON") from error
    if not isinstance(document, dict):
        raise UsageError("The body has to be a JSON object")
    return document


def no_number(word: str) -> None:
    raise ValueError(f"{word} is no JSON (RFC 8259, section 6)")


def definition(document: Json | None, name: str | None) -> Json:
    """The body as a definition; the name in the path is its own, if it has none."""
    if document is None:
        raise UsageError("A definition is needed as the body", hint='Like {"command": ["true"]}.')
    if name is None:
        return document
    if document.setdefault("name", name) != name:
        raise UsageError("The definition has another name than the path")
    return document


def required(endpoint: Endpoint) -> list[str]:
    """The parameters that have to be given, by their names here."""
    params = endpoint.of.params
    return [word for word, name in endpoint.takes.items() if params[name].default is REQUIRED]

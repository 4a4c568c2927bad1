"""What a python job runs: ``INTERPRETER pb/runner.py MODULE:FUNCTION``, one call and its result.

It may be run by any Python from 3.8 on, so nothing of pb is imported here. The call comes as JSON
in PB_CALL; the result goes as JSON into the file that PB_OUTPUT names.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any


def main() -> None:
    """Call the function; what it raises is printed, and the exit code is 1."""
    call = json.loads(os.environ.pop("PB_CALL"))
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [os.getcwd(), *(path for path in sys.path if path != here)]
    sys.argv[:] = [call["python"]]
    try:
        keep(answer(call))
    except Exception as error:
        report(error)
        sys.exit(1)


def answer(call: dict[str, Any]) -> Any:
    """What the function returns, awaited if it asks for that."""
    from importlib import import_module

    module, _, path = call["python"].partition(":")
    found: Any = import_module(module)
    for name in path.split("."):
        found = getattr(found, name)
    result = found(*call["args"], **call["kwargs"])
    return awaited(result) if hasattr(result, "__await__") else result


def awaited(result: Any) -> Any:
    import asyncio

    async def wait() -> Any:
        return await result

    return asyncio.run(wait())


def keep(result: Any) -> None:
    """Write the result; one that is no JSON is told in the log, and the run goes well all the same:
    what the function was called for is done."""
    if result is None:
        return
    try:
        text = json.dumps(result, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        print(f"pb: the result is not kept, it is no JSON: {error}", file=sys.stderr)  # noqa: T201
        return
    with open(os.environ["PB_OUTPUT"], "w", encoding="utf-8") as file:
        file.write(text)


def report(error: BaseException) -> None:
    """Print the traceback without this file's own frames; its last line is the last of the log."""
    import traceback

    shown = error.__traceback__
    while shown is not None and shown.tb_frame.f_code.co_filename == __file__:
        shown = shown.tb_next
    if sys.stdout is not None:
        sys.stdout.flush()
    traceback.print_exception(type(error), error, shown)


if __name__ == "__main__":
    main()

"""The blocking client: made from ``aio`` by ``python -m tests.client.generate``; edit that one."""

"""WHAT PB DOES BY ITSELF: the work of the built-in jobs, each run in a process of its own.

It works on the store beside a scheduler that must not notice: small transactions, and room between
them. When it is done, and that it may be, is ``api.builtin``'s.
"""

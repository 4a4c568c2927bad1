"""REMEMBERING: the only room that says sqlite3 or SQL.

Named queries live in ``queries.sql``, the schema in append-only ``migrations``; rows become
values in ``rows`` and nowhere else.
"""

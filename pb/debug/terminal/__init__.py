"""The terminal UI: the dashboard's views in a terminal, asking what the dashboard asks.

Only ``board``, the two ``*_view``, ``dialogs`` and ``paint`` know Textual; the rest makes rows out
of documents and touches nothing.
"""

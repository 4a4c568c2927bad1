"""DOING: the scheduler. ``main`` wires; ``engine`` owns all state; everything else has one task.

No typer, rich, HTTP or gRPC here, not even indirectly (a test looks).
"""

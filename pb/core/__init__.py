"""THINKING: pure rules. Facts and now go in, decisions come out.

No clock, file, process, network or randomness here, and no ``await``.
"""

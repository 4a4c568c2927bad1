"""Hands on the operating system: identities, signals, locks, PID files, daemons, trees and logs.

Nothing here decides what should run, and nothing here knows the store or the settings.
"""

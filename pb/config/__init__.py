"""Reading what the user wrote: settings, definition files, crontabs, the local time zone.

Nothing here writes a file, runs a process or opens the store; what a job's keys mean is
``core.definition``'s. Import the module you need: this page imports none, to start fast.
"""

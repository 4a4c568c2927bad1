"""Moving out: services as the files of systemd, launchd, supervisor and foreman.

One module per peer: definitions in, the text of its files and a note for everything that the peer
has nothing like out. Nothing here writes a file or asks a peer.
"""

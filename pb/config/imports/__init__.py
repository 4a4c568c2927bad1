"""Moving in: what supervisor, pm2, foreman, systemd and compose keep becomes definitions of pb.

One module per peer: the text of a file in, definitions in pb's spelling and a report of everything
that was changed, left out or refused out. Nothing here adds or starts a service.
"""

"""``python -m pb.gateway``: how the CLI and the guardian start this daemon."""

import sys

from pb.gateway.main import main

if __name__ == "__main__":
    sys.exit(main())

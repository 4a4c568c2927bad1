"""``python -m pb.debug``: how the CLI starts this daemon."""

import sys

from pb.debug.main import main

if __name__ == "__main__":
    sys.exit(main())

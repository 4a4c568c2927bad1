"""``python -m pb`` is the command ``pb``."""

import sys

from pb.cli.main import main

if __name__ == "__main__":
    sys.exit(main())

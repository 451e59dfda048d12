"""``python -m anymask``: the command line."""

import sys

from anymask.cli import main

sys.exit(main())

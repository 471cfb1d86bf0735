"""``python -m fastbp``: the same as the command ``fastbp``."""

import sys

from ._cli import main

sys.exit(main())

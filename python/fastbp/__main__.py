"""``python -m fastbp``: the same as the command ``fastbp``."""

import sys

from .cli.main import main

sys.exit(main())

"""``python -m aimicro`` does what the command ``aimicro`` does."""

import sys

from aimicro.cli import main

sys.exit(main())

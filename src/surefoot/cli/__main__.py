"""`python -m surefoot.cli` is the command line too."""

import sys

from surefoot.cli import main

sys.exit(main())

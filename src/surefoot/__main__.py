"""`python -m surefoot` is the command line; so is `torchrun -m surefoot`, on several processes."""

import sys

from surefoot.cli import main

sys.exit(main())

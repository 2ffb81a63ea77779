"""Entry of `python -m optlab`."""

import sys

from optlab.cli import main
from optlab.threads import wait_asleep

wait_asleep()
sys.exit(main())

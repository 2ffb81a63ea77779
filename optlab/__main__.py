"""Entry of `python -m optlab`."""

import sys

from optlab.cli.main import main
from optlab.machine.threads import wait_asleep

wait_asleep()
sys.exit(main())

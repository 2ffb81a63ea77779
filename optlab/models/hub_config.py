"""config.json of a model in hub layout: the edge at which OptLab meets JSON that it did not define.

It holds whatever its author put there. `Config` (of our Transformer) and `Description` are what the other rooms read.
"""

from __future__ import annotations

from typing import Any

HubConfig = dict[str, Any]

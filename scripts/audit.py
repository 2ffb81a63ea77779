"""`make check` asks pip-audit whether a package of requirements.lock has a known hole; where it cannot, it says why.

Its database is on the network (PyPI's advisories), and a check that fails without one would be switched off.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PATIENCE_S = 60


def main() -> int:
    """1 where a hole is known, else 0."""
    program = shutil.which("pip-audit", path=str(Path(sys.executable).parent)) or shutil.which("pip-audit")
    if program is None:
        print("pip-audit skipped: it is not installed (pip install pip-audit)")
        return 0
    command = [program, "--disable-pip", "--require-hashes", "--format", "json", "-r", str(ROOT / "requirements.lock")]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
        packages = json.loads(done.stdout)["dependencies"]
    except subprocess.TimeoutExpired:
        print(f"pip-audit skipped: its database did not answer for {PATIENCE_S} s")
        return 0
    except (ValueError, KeyError, TypeError):
        reason = done.stderr.strip().splitlines() or ["it said nothing"]
        print(f"pip-audit skipped: {reason[-1][:200]}")
        return 0
    holes = [f"{one['name']} {one['version']}: {hole['id']}" for one in packages for hole in one.get("vulns", ())]
    print("\n".join(holes) or f"pip-audit: no known hole in {len(packages)} packages")
    return 1 if holes else 0


if __name__ == "__main__":
    sys.exit(main())

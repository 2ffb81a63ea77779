"""The server: the dashboard (`dashboard.py`), and the files that people take home. `streamlit run app.py`."""

import os
import sys

import streamlit as st
from starlette.middleware import Middleware

from optlab.errors import OptLabError
from optlab.limits import Limits
from pages.components.server import first_screen
from pages.components.server.door import Door
from pages.components.server.policy import Policy
from pages.components.server.preload import Preload
from pages.components.shared import file_route, readiness

try:
    policy = Policy.of(st.get_option("server.address"), os.environ)
    Limits.of(os.environ)
    if policy.sign_in is not None:
        policy.sign_in.check()
except OptLabError as error:
    sys.exit(f"optlab: {error}")
policy.confine(os.environ)
if policy.token is not None:
    print(f"  Sign in once with ?token={policy.token} behind the address.", file=sys.stderr)

app = st.App(
    "dashboard.py", routes=[*file_route.routes(), *first_screen.routes()],
    middleware=[Middleware(Door, policy=policy), Middleware(Preload)],
    lifespan=readiness.lifespan,
)  # fmt: skip

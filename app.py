"""The server: the dashboard (`dashboard.py`), and the files that people take home. `streamlit run app.py`."""

import streamlit as st

from pages.components.shared import file_route, readiness

app = st.App("dashboard.py", routes=file_route.routes(), lifespan=readiness.lifespan)

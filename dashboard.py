"""The frame of the dashboard: navigation, the sidebar, and the workers. `app.py` serves it."""

import streamlit as st

from pages.components.shared import frame, services, sidebar

st.session_state[frame.FRAMED] = True

page = frame.navigation()
with services.shown_errors():
    services.start_workers()
sidebar.show()
page.run()
sidebar.address()  # after the page, which may have changed what it names

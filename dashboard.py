"""The frame of the dashboard: navigation, the sidebar, and the workers. `app.py` serves it."""

import streamlit as st
from streamlit.runtime import Runtime

from pages.components.server import garbage
from pages.components.server.door import Door
from pages.components.shared import frame, services, sidebar

if Runtime.exists() and type(Runtime.instance()) is Runtime and not Door.stands:  # that of a test serves nobody
    st.error("Start the dashboard with `streamlit run app.py`: this file alone lets every site in.")
    st.stop()

st.session_state[frame.FRAMED] = True

services.begin()
page = frame.navigation()
with services.shown_errors():
    services.start_workers()
sidebar.show()
page.run()
sidebar.address()  # after the page, which may have changed what it names
garbage.settle()

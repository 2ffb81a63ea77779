"""The dashboard: one file, one page; `components` holds what several pages show."""

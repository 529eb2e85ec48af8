"""Streamlit pages: they draw what access gives them, hold no SQL and compute no risk."""

"""Streamlit pages; they draw what access gives them and compute nothing."""

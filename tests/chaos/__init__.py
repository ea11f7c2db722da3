"""Breaks what lies between the operator and the API server, and asks whether the end is the same as without."""

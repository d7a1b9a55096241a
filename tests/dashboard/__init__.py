"""A picture of the dashboard, drawn from a real Prometheus that scrapes a real server.

Run `.venv/bin/python -m tests.dashboard` to draw docs/dashboard.svg anew; it takes three minutes.
"""

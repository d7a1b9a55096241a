"""The addresses at which a process answers the others; nobody else reaches them."""

SESSIONS = "/sessions"
END = "/end"
COUNT = "/count"
METRICS = "/metrics"
ENDINGS = "/endings"
CALLS = "/calls"

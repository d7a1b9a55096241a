"""How messages are written and read: the closed table, and one codec for each dialect."""

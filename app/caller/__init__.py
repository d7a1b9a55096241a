"""The caller's side: the main task with its transport, and what joins it to an assistant."""

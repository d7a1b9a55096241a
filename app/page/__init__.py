"""The page in which a person talks to an assistant, and the operator's; built by `scripts/web`."""

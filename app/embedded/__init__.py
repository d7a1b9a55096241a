"""Speech and language inside this process: no key, no network."""

"""The pool: a process that serves some tasks of an assistant to callers on a broker."""

from app.pool.serving import serve_pool

__all__ = ["serve_pool"]

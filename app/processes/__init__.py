"""Several processes behind one port: the parent's part, and what all of them share.

Nothing here imports an assistant or Pipecat, so that the parent stays small.
"""

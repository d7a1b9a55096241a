"""Hosted calls: the bot's side of a conversation for a browser's page, in the server itself.

A page speaks WebRTC or a WebSocket to a call, and the call dials an assistant through the trunk, as
any bot does: so whoever tries the page tries the whole path.
"""

"""The hub over HTTP: an ASGI application that the ecosystem's own clients cannot tell from the public hub."""

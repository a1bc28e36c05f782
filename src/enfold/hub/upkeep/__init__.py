"""Keeping a hub in order: checking it, clearing it up, backing it up, and bringing it to a newer format.

Each works on the root and the database, beside a running server unless it says otherwise.
"""

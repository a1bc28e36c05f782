"""A hub that keeps what is asked of it from another hub, the upstream one, and follows it there."""

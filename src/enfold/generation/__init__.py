"""Token by token: greedy, sampling, beam search, stopping, streaming."""

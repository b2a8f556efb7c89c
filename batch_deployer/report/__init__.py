"""What a run did, told from its plan and its events. Nothing here reads a clock, a journal or the network; only `write` touches files."""

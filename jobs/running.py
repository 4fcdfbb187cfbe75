"""What a kind's `run` is given: the job as the attempt that owns it sees it."""

"""From decisions to a closed plan: what comes in, what it meets in the ledger, what may become claimable."""

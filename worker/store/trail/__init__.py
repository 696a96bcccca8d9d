"""The audit log: written in the transaction that it records, proved whole, read for what it tells."""

"""What leaves the audit log: signed checkpoints, and events for a SIEM. The log itself is kept in `worker.store`."""

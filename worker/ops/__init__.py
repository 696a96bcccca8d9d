"""What operators see: logs, metrics, health, the runbook."""

"""The outbox: events seen, decisions, actions, budget and audit, in one database and one transaction each step."""

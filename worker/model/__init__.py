"""The domain: events, actions, plans, outcomes. Pure: imports the standard library and msgspec only."""

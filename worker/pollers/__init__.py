"""Sources of events: each reads windows of time, page by page, and hands them to the intake."""

"""Views: what commands, metrics and playbooks are shown. Nothing here changes a row."""

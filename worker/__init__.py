"""Automation worker for Cloudflare Email Security: poll, match, act, audit."""

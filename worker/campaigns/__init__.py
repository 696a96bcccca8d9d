"""Sweeps: the siblings of confirmed messages, searched for, listed, and met again in the mail that comes in."""

"""Tells people: one signed POST to an address of the operator's."""

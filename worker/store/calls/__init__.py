"""From a ready action to what became of it: claimed, settled, in doubt, looked for again."""

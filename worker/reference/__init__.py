"""The authors' reference, made from the code: `python -m worker.reference > docs/authors/reference.md`."""

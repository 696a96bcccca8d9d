"""`python -m worker.reference`: prints the page that `docs/authors/reference.md` is."""

import sys

from worker.reference.page import page

if __name__ == "__main__":
    sys.stdout.write(page())

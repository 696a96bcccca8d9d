"""Around the dispatcher and the reconciler: looking first, knowing when to rest, and proof of what was done."""

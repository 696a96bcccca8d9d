"""The ledger as a SQLite file: one daemon at a time, copies that can be trusted, signs that it is another one."""

"""History decided again in shadow: what playbooks would have done, to whom, and what of it people did themselves.

Sources hand over events in the order of their times (`seen`), a run groups them into polls as the worker would have
polled (`running`), a judge decides them and lets the rules of admission hold what they would hold (`judging`), tallies
count (`tally`, `people`), and a report shows it (`report`, `telling`, `page`). Only counts and a bounded number of
rows are kept, however long the history is.
"""

"""Around the pipeline: which playbooks are in force, who of them is asked, what they need fetched, and asking again."""

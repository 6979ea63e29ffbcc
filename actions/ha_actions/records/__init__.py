"""What is kept in the ledger: typed entries, their rules, their end."""

"""Actions for tenants' workflows, with the token of the execution alone.

What that token does not allow they cannot do, and no other is ever taken. No
operator's record is read or written; what two runs must agree on is noted in
the caller's own project.
"""

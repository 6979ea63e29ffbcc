"""The ports over real services, each with its vendor's library."""

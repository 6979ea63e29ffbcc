"""What Aodh loads, and what watches hosts. Imports nothing else of ours."""

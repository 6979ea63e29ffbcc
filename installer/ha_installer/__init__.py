"""What runs in the operator's shell: ha-pack."""

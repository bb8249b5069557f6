"""What flows through the framework: frozen NumPy containers that check themselves."""

"""What is done with the networks that runs leave: export, comparison, judgement, drawing."""

"""What trains: a cost's graph and its trainer, the session of a model's trainings, the loop of `fit`, validation."""

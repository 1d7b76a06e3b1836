"""What people read: the evaluation report and the model card, as templates and the figures they show."""

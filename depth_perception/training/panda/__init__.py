"""What the trainings of PanDA share: frames, augmentation, losses."""

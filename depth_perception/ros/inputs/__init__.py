"""What the nodes receive: pairing of messages, calibration, range sensors, masks."""

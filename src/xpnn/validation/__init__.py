"""What users pass becomes checked values, or an error that says what is wrong."""

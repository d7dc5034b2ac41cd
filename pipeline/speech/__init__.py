"""What is said in a video, heard from its own sound where nobody has written it down."""

"""What a training that goes on in the middle of a large packed file reads of what lies before."""

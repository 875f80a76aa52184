"""What `penstock forecast` says before runs of several kinds, beside what these then took."""

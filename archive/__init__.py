"""Reads an archive of photos with Ray: the photos listed, read by workers, journalled, merged and reported."""

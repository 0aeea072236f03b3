"""What is written for other programs: JSON documents and their schemas, the stream of progress, files of metrics."""

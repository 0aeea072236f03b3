"""What is planned of tables and views that are there: compared in a scratch database."""

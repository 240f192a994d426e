"""What recipes share: flags, families, the way from hyper-parameters to a run folder."""

"""What every topic draws with: a run's files, sections, tables, the plots' style, figures as people read them."""

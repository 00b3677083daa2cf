"""Who comes when: users, segments, traffic, tastes that drift."""

"""What a policy would have earned on logs of another: logs, policies, estimators, evaluation."""

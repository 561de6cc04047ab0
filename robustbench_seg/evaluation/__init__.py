"""The evaluation: config, plan, batches under attack, engines."""

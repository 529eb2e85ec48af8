"""What happens to an alert, in one transaction: changes of the engine, commands of people, suppression."""

"""What every rule stands on: tri-state reading, expectations, declarations, exemptions and the bridge to CrossGuard."""

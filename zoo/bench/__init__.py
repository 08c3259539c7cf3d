"""Models side by side: measured, ranked, plotted, and trained with several seeds."""

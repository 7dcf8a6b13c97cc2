"""Words from outside, typed: settings of a site, recipes, known issues."""

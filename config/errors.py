"""Errors of what comes from outside.

ConfigError           stop and mend the file or variable that the message names
* KnownIssueError     a known issue is not what one may be
* RecipeError         a recipe is unknown, or not what a recipe may be
* SettingsError       the settings of the site cannot be read
* SubscriptionError   subscriptions cannot be read, or hold what they may not
"""

__all__ = [
    "ConfigError",
    "KnownIssueError",
    "RecipeError",
    "SettingsError",
    "SubscriptionError",
]


class ConfigError(Exception):
    """Stop and mend the file or variable that the message names."""


class KnownIssueError(ConfigError):
    """A known issue holds what it may not."""


class RecipeError(ConfigError):
    """A recipe is unknown, or holds what a recipe may not."""


class SettingsError(ConfigError):
    """The settings of the site cannot be read."""


class SubscriptionError(ConfigError):
    """Subscriptions cannot be read, or hold what they may not."""

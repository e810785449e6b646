"""The rules of the pack. A new one is a `Rule` in a module of this folder, and a name in this list."""

from .access import NO_WILDCARD_RIGHTS, TLS_VERIFIED
from .images import IMAGES_PINNED
from .overrides import OVERRIDES_CHANGE_SOMETHING
from .placement import NAMESPACES_STAY, PLACEMENT_NAMES_MEMBERS, TWO_OF_EACH
from .production import PROTECTED
from .resources import REQUESTS_AND_LIMITS
from .secrets import NO_PLAINTEXT_SECRETS

RULES = (
    IMAGES_PINNED,
    NO_PLAINTEXT_SECRETS,
    REQUESTS_AND_LIMITS,
    TWO_OF_EACH,
    PLACEMENT_NAMES_MEMBERS,
    NAMESPACES_STAY,
    OVERRIDES_CHANGE_SOMETHING,
    NO_WILDCARD_RIGHTS,
    TLS_VERIFIED,
    PROTECTED,
)

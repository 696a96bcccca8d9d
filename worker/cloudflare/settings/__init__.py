"""The tenant's settings: eight collections, each loaded when it is first asked for."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from worker.cloudflare.transport import Transport

if TYPE_CHECKING:
    from worker.cloudflare.settings.allow_policies import AllowPolicies
    from worker.cloudflare.settings.block_senders import BlockSenders
    from worker.cloudflare.settings.content_policies import ContentPolicies
    from worker.cloudflare.settings.domains import Domains
    from worker.cloudflare.settings.impersonation_registry import ImpersonationRegistry
    from worker.cloudflare.settings.sending_domain_restrictions import SendingDomainRestrictions
    from worker.cloudflare.settings.trusted_domains import TrustedDomains
    from worker.cloudflare.settings.url_ignore_patterns import UrlIgnorePatterns


class TenantSettings:
    """The resource `settings`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    @cached_property
    def allow_policies(self) -> AllowPolicies:
        """Mail that is let through."""
        from worker.cloudflare.settings.allow_policies import AllowPolicies

        return AllowPolicies(self._transport)

    @cached_property
    def block_senders(self) -> BlockSenders:
        """Senders whose mail is blocked."""
        from worker.cloudflare.settings.block_senders import BlockSenders

        return BlockSenders(self._transport)

    @cached_property
    def content_policies(self) -> ContentPolicies:
        """Patterns in subjects and bodies."""
        from worker.cloudflare.settings.content_policies import ContentPolicies

        return ContentPolicies(self._transport)

    @cached_property
    def domains(self) -> Domains:
        """The domains whose mail is processed."""
        from worker.cloudflare.settings.domains import Domains

        return Domains(self._transport)

    @cached_property
    def impersonation_registry(self) -> ImpersonationRegistry:
        """People whose name others must not bear."""
        from worker.cloudflare.settings.impersonation_registry import ImpersonationRegistry

        return ImpersonationRegistry(self._transport)

    @cached_property
    def sending_domain_restrictions(self) -> SendingDomainRestrictions:
        """Domains that must send over TLS."""
        from worker.cloudflare.settings.sending_domain_restrictions import SendingDomainRestrictions

        return SendingDomainRestrictions(self._transport)

    @cached_property
    def trusted_domains(self) -> TrustedDomains:
        """Domains that may be new or alike."""
        from worker.cloudflare.settings.trusted_domains import TrustedDomains

        return TrustedDomains(self._transport)

    @cached_property
    def url_ignore_patterns(self) -> UrlIgnorePatterns:
        """Links that are not followed."""
        from worker.cloudflare.settings.url_ignore_patterns import UrlIgnorePatterns

        return UrlIgnorePatterns(self._transport)

"""The client for asyncio. The blocking one is made from it: see ``blocking``."""

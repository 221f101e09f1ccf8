"""Follow cells from frame to frame, and read and write who came from whom."""

from aimicro.simulate.films import Track
from aimicro.track.lineage import read_lineage, write_lineage
from aimicro.track.link import link, link_points

__all__ = ["Track", "link", "link_points", "read_lineage", "write_lineage"]

"""Words for regions: phrases that find masks, and names for masks.

A scorer puts regions and phrases into one space (`scorer.RegionTextScorer`); all else is built on
its two methods. Reading order: `scorer`, `offline`, `find`, `naming`.
"""

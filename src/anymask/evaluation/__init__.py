"""How good the masks are: clicks, boxes, proposals, edges and everything mode, against truth."""

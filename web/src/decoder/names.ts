/** The graphs of contracts/decoder.json. */
export const GRAPH_NAMES = ["image", "prompt", "preview"] as const;
export type GraphName = (typeof GRAPH_NAMES)[number];

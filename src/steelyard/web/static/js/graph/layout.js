// Places of blocks and layers: each open block is laid out on its own by dagre, and is a large node outside.
import { Graph, layout as dagre } from "../../vendor/dagre.js";
import { IN, OUT, TOP, isBlock } from "./tree.js";

export const LEAF = { width: 176, height: 44 };
const HEAD = 26, PAD = 10;
const MANY = 250; // nodes in one block, from where a quicker way of ranking is taken

/** {width, height, nodes: [{id, x, y, width, height, inner?}], edges: [[{x, y}...]]} of a block; x, y: top left. */
export function place(tree, open, block = TOP) {
  const ids = tree.children.get(block) ?? [];
  const inner = new Map();
  for (const id of ids) if (open.has(id) && isBlock(tree, id)) inner.set(id, place(tree, open, id));
  const edges = [...(tree.inside.get(block)?.values() ?? [])];
  const graph = new Graph();
  graph.setGraph({ rankdir: "TB", nodesep: 16, ranksep: 24, edgesep: 10, marginx: PAD, marginy: PAD, ranker: ids.length > MANY ? "longest-path" : "network-simplex" });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const id of ids) {
    const part = inner.get(id);
    graph.setNode(id, part ? { width: part.width, height: part.height + HEAD } : { ...LEAF });
  }
  for (const rim of [IN, OUT]) {
    if (edges.some((edge) => edge.includes(rim))) graph.setNode(rim, { width: 1, height: 1 });
  }
  for (const [from, to] of edges) graph.setEdge(from, to, {});
  dagre(graph);
  const { width, height } = graph.graph();
  return {
    width: Math.max(width || 0, LEAF.width + 2 * PAD),
    height: height || LEAF.height + 2 * PAD,
    nodes: ids.map((id) => {
      const at = graph.node(id);
      return { id, x: at.x - at.width / 2, y: at.y - at.height / 2, width: at.width, height: at.height, inner: inner.get(id) };
    }),
    edges: graph.edges().map((edge) => ({ key: `${edge.v}\n${edge.w}`, points: graph.edge(edge).points, ends: edge.w !== OUT })),
  };
}

export const HEADING = HEAD;

/** An SVG path through `points` with rounded corners. */
export function pathOf(points) {
  if (points.length < 3) return points.map((p, i) => `${i ? "L" : "M"}${near(p)}`).join("");
  let path = `M${near(points[0])}`;
  for (let i = 1; i < points.length - 2; i += 1) {
    const a = points[i], b = points[i + 1];
    path += `Q${near(a)} ${near({ x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 })}`;
  }
  return `${path}Q${near(points.at(-2))} ${near(points.at(-1))}`;
}

const near = ({ x, y }) => `${x.toFixed(1)},${y.toFixed(1)}`;

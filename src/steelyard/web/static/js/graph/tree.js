// A network's graph as a tree of blocks and layers, with the edges that each block shows.
export const TOP = "";
export const IN = "in", OUT = "out"; // where data enters and leaves a block

/** From the server's `{nodes, edges}`: nodes by id, children by parent, edges by the block they are drawn in. */
export function treeOf({ nodes, edges }) {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const children = new Map([[TOP, []]]);
  for (const node of nodes) {
    const parent = node.parent ?? TOP;
    if (!children.has(parent)) children.set(parent, []);
    children.get(parent).push(node.id);
  }
  const tree = { byId, children, inside: new Map() };
  for (const [from, to] of edges) if (byId.has(from) && byId.has(to)) join(tree, from, to);
  return tree;
}

/** The blocks around a node, the outermost first, then the node itself. */
export function pathTo(tree, id) {
  const path = [];
  for (let at = id; at; at = tree.byId.get(at)?.parent) path.unshift(at);
  return path;
}

export const isBlock = (tree, id) => (tree.children.get(id)?.length ?? 0) > 0;

// An edge between layers is drawn once in the smallest block around both, and to the rims of those below it.
function join(tree, from, to) {
  const a = pathTo(tree, from), b = pathTo(tree, to);
  let same = 0;
  while (a[same] !== undefined && a[same] === b[same]) same += 1;
  if (a[same] === undefined || b[same] === undefined) return;
  draw(tree, a[same - 1] ?? TOP, a[same], b[same]);
  for (let i = same; i < a.length - 1; i += 1) draw(tree, a[i], a[i + 1], OUT);
  for (let i = same; i < b.length - 1; i += 1) draw(tree, b[i], IN, b[i + 1]);
}

function draw(tree, block, from, to) {
  if (!tree.inside.has(block)) tree.inside.set(block, new Map());
  tree.inside.get(block).set(`${from}\n${to}`, [from, to]);
}

/** Ids that are seen while the blocks in `open` are open, from top to bottom. */
export function seen(tree, open, block = TOP) {
  return (tree.children.get(block) ?? []).flatMap((id) => [id, ...(open.has(id) ? seen(tree, open, id) : [])]);
}

/** The most that any closed node that is seen has of `metric`. */
export function most(tree, open, metric) {
  return Math.max(0, ...seen(tree, open).filter((id) => !open.has(id)).map((id) => tree.byId.get(id)[metric] ?? 0));
}

/** Blocks down to `depth`, as long as no more than `limit` nodes are seen. */
export function openTo(tree, depth, limit = 400) {
  const open = new Set();
  let rim = tree.children.get(TOP) ?? [];
  let count = rim.length;
  for (let level = 0; level < depth; level += 1) {
    const blocks = rim.filter((id) => isBlock(tree, id));
    const more = blocks.flatMap((id) => tree.children.get(id));
    if (!blocks.length || count + more.length > limit) break;
    blocks.forEach((id) => open.add(id));
    count += more.length;
    rim = more;
  }
  return open;
}
